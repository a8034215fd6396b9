/**
 * What can be done to the queue machine. A log entry carries a batch of these; each is applied by
 * every replica in the same order with the same `at`.
 *
 * Every command is idempotent: a copy that arrives later, from a client or a forwarding node that
 * did not hear the answer, changes nothing and is answered like the first.
 */
import type { JobFilter, JobKind } from "./job.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type {
  ClusterTime,
  ContentType,
  LogLine,
  RetryPolicy,
  TaskContent,
  TaskError,
  TaskId,
  Token,
} from "./task.ts";

/** One task that is to be made. */
export interface NewTask {
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
  /**
   * Positions in `content.dependsOn` of parents that had completed when this was proposed: what
   * has completed stays so, and apply need not look it up again.
   */
  readonly ended?: readonly number[];
}

/** Idempotent by task id: same id and same content answers `ok` with `duplicate`. */
export interface Submit extends NewTask {
  readonly type: "submit";
}

/**
 * All of them or none, in this order; a later one may depend on an earlier one. Idempotent as each
 * of them is. At most 1,000.
 */
export interface SubmitAll {
  readonly type: "submitAll";
  readonly tasks: readonly NewTask[];
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
  /** Tasks that begin with it: they are made, all of them, or it is refused. At most 1,000. */
  readonly children?: readonly NewTask[];
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

/**
 * A waiting task is due at another time: a `scheduled` one, a `retrying` one, or a `pending` one,
 * which becomes scheduled. In the past means now. Idempotent: it says when, not how much later.
 */
export interface Reschedule {
  readonly type: "reschedule";
  readonly id: TaskId;
  readonly runAt: ClusterTime;
  /** Refused when the task has moved since; absent = whatever has become of it. */
  readonly ifUpdatedAt?: ClusterTime;
}

/**
 * Start a dead, cancelled or expired task again with a fresh retry budget. Idempotent by
 * `requestId`.
 */
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

/** What handlers said of their runs since the last report of their session. */
export interface Report {
  readonly type: "report";
  readonly session: string;
  readonly runs: readonly RunReport[];
}

/** Void when the run is over. */
export interface RunReport {
  readonly id: TaskId;
  readonly token: Token;
  /** JSON text; empty = nothing new. */
  readonly progress: string;
  readonly lines: readonly Omit<LogLine, "at">[];
}

/**
 * What an operator says of a queue; members that are absent stay as they are. It is made if it is
 * not there. Idempotent: it says how it is to be, not how it is to change.
 */
export interface ConfigureQueue {
  readonly type: "configureQueue";
  readonly queue: string;
  /**
   * Refused unless the queue has this revision, 0 when nobody has said anything of it; absent =
   * whatever it has. A late copy finds another one, and does nothing.
   */
  readonly ifRevision?: number;
  readonly settings?: QueueSettings;
  readonly paused?: boolean;
  readonly draining?: boolean;
}

/** Refused unless it is empty, of finished tasks as well. */
export interface DeleteQueue {
  readonly type: "deleteQueue";
  readonly queue: string;
  /** As in `ConfigureQueue`: a late copy spares a queue that was configured anew. */
  readonly ifRevision?: number;
}

/** A change of many tasks, carried out in steps; idempotent by its id. */
export interface StartJob {
  readonly type: "startJob";
  readonly id: TaskId;
  readonly kind: JobKind;
  readonly filter: JobFilter;
  /** It changes nothing, and counts what it would. */
  readonly dryRun: boolean;
  /** Tasks a second at most; 0 = as quickly as it goes. */
  readonly perSecond: number;
}

/**
 * The next tasks of a job, found by the leader; each is looked at again. Void unless `step` is the
 * number of steps so far.
 */
export interface StepJob {
  readonly type: "stepJob";
  readonly id: TaskId;
  readonly step: number;
  /** At most `JOB_STEP_MAX`. */
  readonly tasks: readonly TaskId[];
  /** Where the search goes on; empty: there is nothing left, and the job is done. */
  readonly cursor: Uint8Array;
}

export interface CancelJob {
  readonly type: "cancelJob";
  readonly id: TaskId;
}

/** Retention: each is looked at again, and passed over when it is not what was found. */
export interface Expunge {
  readonly type: "expunge";
  /** The task as a whole, or only its result or its log lines. */
  readonly what: "task" | "result" | "log";
  /** At most `EXPUNGE_MAX`; `finishedAt` tells a task from one that was started again since. */
  readonly tasks: readonly { readonly id: TaskId; readonly finishedAt: ClusterTime }[];
}

/**
 * What stood in for tasks that are no more, and keys whose window is over. At most `FORGET_MAX`.
 */
export interface Forget {
  readonly type: "forget";
  readonly tombstones: readonly TaskId[];
  readonly idempotencyKeys: readonly QueueKey[];
  readonly uniqueKeys: readonly QueueKey[];
}

/**
 * An operator ends a run: the task is pending again as if it had never been given out, and its
 * worker is told. Names the run, so that a copy that comes late spares the next one.
 */
export interface Recall {
  readonly type: "recall";
  readonly id: TaskId;
  readonly token: Token;
}

/** A new access key; idempotent by its id. */
export interface CreateKey {
  readonly type: "createKey";
  readonly id: Uint8Array;
  readonly name: string;
  readonly verifier: Uint8Array;
  readonly permissions: readonly string[];
  readonly createdBy: string;
  /** 0 = never. */
  readonly expiresAt: ClusterTime;
}

/** An access key ends at `at`, or now if that is over. It never ends later than it would have. */
export interface RevokeKey {
  readonly type: "revokeKey";
  readonly id: Uint8Array;
  readonly at: ClusterTime;
}

export interface QueueKey {
  readonly queue: string;
  readonly key: string;
}

export type Command =
  | Submit
  | SubmitAll
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
  | TakeOffice
  | Reschedule
  | Report
  | ConfigureQueue
  | DeleteQueue
  | StartJob
  | StepJob
  | CancelJob
  | Expunge
  | Forget
  | CreateKey
  | RevokeKey
  | Recall;

export type CommandType = Command["type"];

/** One log entry's content. */
export interface Batch {
  readonly at: ClusterTime;
  readonly commands: readonly Command[];
}

const NO_TASKS: readonly NewTask[] = [];

/** The tasks that a command would make. */
export function newTasksOf(command: Command): readonly NewTask[] {
  if (command.type === "submit") return [command];
  if (command.type === "submitAll") return command.tasks;
  return command.type === "complete" ? (command.children ?? NO_TASKS) : NO_TASKS;
}
