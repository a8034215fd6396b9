/**
 * The words of a task. A task has an immutable part, its **content** (what the submitter said), and
 * a mutable part, its **record** (what became of it). Both are stored under its id.
 */

/** A task's 16 bytes (UUIDv7). Text forms exist only at the edges. */
export type TaskId = Uint8Array;

/**
 * Milliseconds since 1970 on the cluster's clock, which is stamped by leaders and never runs
 * back.
 */
export type ClusterTime = number;

/** Fencing token of a lease: a replicated counter, +1 for each grant, below 2^53; 0 = none yet. */
export type Token = number;

export const TASK_STATES = [
  "scheduled",
  "blocked",
  "pending",
  "running",
  "retrying",
  "completed",
  "dead",
  "cancelled",
  "expired",
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** From least to most urgent; the position is the stored number. */
export const PRIORITIES = ["low", "normal", "high", "critical"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** What `payload` and `result` bytes are: JSON text in UTF-8, or bytes of the caller's own. */
export type ContentType = "json" | "binary";

/**
 * Retry n waits `min(maxDelayMs, initialDelayMs · multiplier^(n-1))`, plus up to `jitter` of it.
 */
export interface RetryPolicy {
  readonly maxRetries: number;
  readonly initialDelayMs: number;
  readonly multiplier: number;
  readonly maxDelayMs: number;
  /** Share of the delay that jitter may add, 0 to 1. */
  readonly jitter: number;
}

/** What the submitter said, and nothing else: two submits are the same when these are the same. */
export interface TaskContent {
  readonly type: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly payload: Uint8Array;
  readonly payloadType: ContentType;
  /** Relative to the submit's place in the log; 0 = none. Ignored when `runAt` is given. */
  readonly delayMs: number;
  /** Absolute; 0 = none. In the past means now. */
  readonly runAt: ClusterTime;
  /** A run longer than this is a failure; 0 = no limit. */
  readonly timeoutMs: number;
  /**
   * What the submitter asked for of the retry policy; the rest comes from the leader's settings.
   */
  readonly retry: Partial<RetryPolicy>;
  /** Empty = none. */
  readonly idempotencyKey: string;
  readonly tags: readonly string[];
  /** JSON text of an object; empty = none. */
  readonly metadata: string;
  /** W3C trace context; empty = none. */
  readonly traceparent: string;
}

/** The position is the stored number. */
export const ATTEMPT_OUTCOMES = [
  "completed",
  "failed",
  "timeout",
  "lapsed",
  "released",
  "cancelled",
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

export interface Attempt {
  readonly number: number;
  readonly session: string;
  /** The worker's display name. */
  readonly worker: string;
  readonly token: Token;
  readonly startedAt: ClusterTime;
  /** 0 while it runs. */
  readonly endedAt: ClusterTime;
  readonly outcome: AttemptOutcome | undefined;
  readonly error: TaskError | undefined;
}

export interface TaskError {
  /** At most 4 KiB of UTF-8. */
  readonly message: string;
  /** At most 8 KiB of UTF-8; empty = none. */
  readonly stack: string;
}

/** Everything about one task, as reads see it. */
export interface TaskView {
  readonly id: TaskId;
  readonly content: TaskContent;
  readonly retry: RetryPolicy;
  readonly state: TaskState;
  /** Attempts so far, the running one included. */
  readonly attempt: number;
  /** Failures that used a retry since the last (re)start of the retry budget. */
  readonly failures: number;
  /** The newest 20; `attempt` counts all. */
  readonly attempts: readonly Attempt[];
  readonly lease:
    | {
        readonly session: string;
        readonly worker: string;
        readonly token: Token;
        readonly deadline: ClusterTime;
      }
    | undefined;
  readonly result: { readonly bytes: Uint8Array; readonly type: ContentType } | undefined;
  readonly error: TaskError | undefined;
  /** When it becomes due: `scheduled` and `retrying` tasks only, else 0. */
  readonly dueAt: ClusterTime;
  readonly createdAt: ClusterTime;
  readonly updatedAt: ClusterTime;
  /** Start of the newest attempt; 0 = never. */
  readonly startedAt: ClusterTime;
  /** 0 = not finished. */
  readonly finishedAt: ClusterTime;
}
