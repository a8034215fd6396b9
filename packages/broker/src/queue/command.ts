/**
 * What can be done to the queue machine. A log entry carries a batch of these; each is applied by
 * every replica in the same order with the same `at`.
 *
 * Every command is idempotent: a copy that arrives later, from a client or a forwarding node that
 * did not hear the answer, changes nothing and is answered like the first.
 */
import type {
  ClusterTime,
  ContentType,
  RetryPolicy,
  TaskContent,
  TaskError,
  TaskId,
  Token,
} from "./task.ts";

/** Idempotent by task id: same id and same content answers `ok` with `duplicate`. */
export interface Submit {
  readonly type: "submit";
  readonly id: TaskId;
  readonly content: TaskContent;
  /** Filled in by the leader before the log, so that apply reads no settings of its own. */
  readonly retry: RetryPolicy;
  /** Depth limit of the queue in force at the leader; 0 = none. */
  readonly depthLimit: number;
  /**
   * The canonical encoding of `content`, set by the codec so that apply need not encode it again.
   */
  readonly contentBytes?: Uint8Array;
}

/** Give up to `count` pending tasks to this session, most urgent first, then oldest. */
export interface Lease {
  readonly type: "lease";
  readonly session: string;
  readonly count: number;
}

/**
 * Keep one lease until at least `at + forMs`, whatever becomes of the session's deadline: it
 * outlives even the session's lapse. A run timeout still ends it.
 */
export interface Extend {
  readonly type: "extend";
  readonly id: TaskId;
  readonly token: Token;
  readonly forMs: number;
}

/** Give a task back unrun: it is pending again at its old place; no retry is used. */
export interface Release {
  readonly type: "release";
  readonly id: TaskId;
  readonly token: Token;
}

export interface Complete {
  readonly type: "complete";
  readonly id: TaskId;
  readonly token: Token;
  readonly result: Uint8Array;
  readonly resultType: ContentType;
}

export interface Fail {
  readonly type: "fail";
  readonly id: TaskId;
  readonly token: Token;
  readonly error: TaskError;
  /** Wait at least this long before the next attempt; undefined = as the policy says. */
  readonly retryAfterMs: number | undefined;
  /** false = straight to the dead. */
  readonly retryable: boolean;
}

export interface Cancel {
  readonly type: "cancel";
  readonly id: TaskId;
  /** At most 1 KiB; may be empty. */
  readonly reason: string;
}

/** Start a dead or cancelled task again with a fresh retry budget. Idempotent by `requestId`. */
export interface Retry {
  readonly type: "retry";
  readonly id: TaskId;
  readonly requestId: Uint8Array;
}

/**
 * Remove a finished task for good; a tombstone answers resends while the dedup window lasts, and a
 * `delete` after that clears it with the idempotency key. Idempotent by `requestId`.
 */
export interface Delete {
  readonly type: "delete";
  readonly id: TaskId;
  readonly requestId: Uint8Array;
}

/** A worker presents itself. Idempotent by session id; another secret is refused. */
export interface Register {
  readonly type: "register";
  readonly session: string;
  readonly secret: Uint8Array;
  readonly name: string;
  /** Empty = all. */
  readonly queues: readonly string[];
  /** The types it has handlers for; never empty. */
  readonly types: readonly string[];
  /** `key=value`, sorted by key. */
  readonly labels: readonly string[];
  readonly concurrency: number;
  readonly version: string;
  /** Length of its leases: the session lapses when not renewed for this long. */
  readonly leaseMs: number;
}

/**
 * All heartbeats of about a second in one command; each moves one session's deadline to at +
 * leaseMs.
 */
export interface Renew {
  readonly type: "renew";
  readonly sessions: readonly string[];
}

/** A worker says good-bye: its leases are released at once. */
export interface Unregister {
  readonly type: "unregister";
  readonly session: string;
}

/**
 * The session's deadline has passed. Compare-and-set: void unless `renewals` is still the count.
 */
export interface Lapse {
  readonly type: "lapse";
  readonly session: string;
  readonly renewals: number;
}

/**
 * Time has come for up to `max` tasks: due ones become pending, overlong runs and lapsed extensions
 * end. What is due is decided by the batch's `at` alone.
 */
export interface Wake {
  readonly type: "wake";
  readonly max: number;
}

/**
 * First command of a new leader: every session gets at least one lease length from now, so that
 * nobody pays for heartbeats that were lost between two leaders. Nothing lapses in a term before
 * it.
 */
export interface TakeOffice {
  readonly type: "takeOffice";
}

export type Command =
  | Submit
  | Lease
  | Extend
  | Release
  | Complete
  | Fail
  | Cancel
  | Retry
  | Delete
  | Register
  | Renew
  | Unregister
  | Lapse
  | Wake
  | TakeOffice;

export type CommandType = Command["type"];

/** One log entry's content. */
export interface Batch {
  readonly at: ClusterTime;
  readonly commands: readonly Command[];
}
