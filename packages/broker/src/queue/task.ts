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
 * How the wait before retry n grows, up to `maxDelayMs`: `initialDelayMs · multiplier^(n-1)`,
 * `initialDelayMs · n`, always `initialDelayMs`, or entry n of `delaysMs`, the last of which stands
 * for all that follow. The position is the stored number.
 */
export const BACKOFFS = ["exponential", "linear", "fixed", "list"] as const;
export type Backoff = (typeof BACKOFFS)[number];

/**
 * How dice change the wait: `extra` adds up to `jitter` of it, `full` draws from all of it, `equal`
 * from its second half. The position is the stored number.
 */
export const JITTER_KINDS = ["extra", "full", "equal"] as const;
export type JitterKind = (typeof JITTER_KINDS)[number];

/** When a failed task is tried again, and how often. */
export interface RetryPolicy {
  readonly maxRetries: number;
  readonly backoff: Backoff;
  readonly initialDelayMs: number;
  readonly multiplier: number;
  readonly maxDelayMs: number;
  /** Of a `list`, else empty. At most 100. */
  readonly delaysMs: readonly number[];
  readonly jitterKind: JitterKind;
  /** Share of the delay that `extra` jitter may add, 0 to 1; 0 = no jitter. */
  readonly jitter: number;
}

/** What becomes of a task when one of its parents ends without success. */
export const PARENT_FAILURES = ["fail", "cancel", "continue"] as const;
export type ParentFailure = (typeof PARENT_FAILURES)[number];

/**
 * What becomes of a submit whose unique key is taken: `keep` answers with the task that has it,
 * `replace` cancels that one if it still waits (else it is kept), `reject` is a refusal.
 */
export const UNIQUE_CONFLICTS = ["keep", "replace", "reject"] as const;
export type UniqueConflict = (typeof UNIQUE_CONFLICTS)[number];

/** At most one task of a queue has this key. */
export interface Unique {
  readonly key: string;
  /** 0 = while the task is live; else for so long from its submit, whatever becomes of it. */
  readonly forMs: number;
  readonly onConflict: UniqueConflict;
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
  /** Not begun by then it is `expired`. 0 = none. Ignored when `expiresAt` is given. */
  readonly expiresInMs: number;
  /** The same as an instant; 0 = none. */
  readonly expiresAt: ClusterTime;
  /** Empty = none. */
  readonly idempotencyKey: string;
  readonly unique: Unique | undefined;
  /** On whose behalf: groups of a queue take turns, and share its limits. Empty = none. */
  readonly group: string;
  /** Labels, `key=value`, that a worker must have to get it; sorted. */
  readonly requires: readonly string[];
  /** It is `blocked` until these have ended. */
  readonly dependsOn: readonly TaskId[];
  readonly onParentFailure: ParentFailure;
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

/** What a handler said last of how far it is. */
export interface Progress {
  /** JSON text, at most 4 KiB. */
  readonly value: string;
  readonly at: ClusterTime;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a handler wrote to the log of its task. */
export interface LogLine {
  readonly at: ClusterTime;
  readonly level: LogLevel;
  /** At most 1 KiB. */
  readonly text: string;
}

/** Everything about one task, as reads see it. */
export interface TaskView {
  readonly id: TaskId;
  readonly content: TaskContent;
  /** Where it is: as its content says, or the dead letter queue in which it went on. */
  readonly queue: string;
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
  /** 0 = never. */
  readonly expiresAt: ClusterTime;
  /** Parents that a `blocked` task still waits for. */
  readonly waitsFor: number;
  readonly progress: Progress | undefined;
  /** Log lines so far; the newest 1,000 are kept. */
  readonly logLines: number;
  readonly createdAt: ClusterTime;
  readonly updatedAt: ClusterTime;
  /** Start of the newest attempt; 0 = never. */
  readonly startedAt: ClusterTime;
  /** 0 = not finished. */
  readonly finishedAt: ClusterTime;
}
