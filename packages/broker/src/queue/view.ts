/**
 * What readers of the machine get to see beside a TaskView: queues, sessions, leases, deliveries
 * and pages of lists. All of it is a copy: nothing here moves when the next batch is applied.
 */
import type { QueueSettings } from "./queue-settings.ts";
import type {
  ClusterTime,
  ContentType,
  Priority,
  TaskError,
  TaskId,
  TaskState,
  TaskView,
  Token,
} from "./task.ts";

/** How many tasks are in each state. */
export type StateCounts = Readonly<Record<TaskState, number>>;

/** Since the cluster began, as the state itself counts: every node has the same after an entry. */
export interface Totals {
  /** Tasks that were made, or started again by hand. */
  readonly entered: number;
  /** Of these, those that are live no more. */
  readonly ended: number;
  /** Runs that were given to workers. In a restored cluster the number begins higher. */
  readonly runs: number;
}

export interface QueueView {
  readonly name: string;
  readonly counts: StateCounts;
  /** Since when the first task in line has been pending; 0 = none is. */
  readonly oldestPendingAt: ClusterTime;
  /** Pending tasks of each priority, in the order of `PRIORITIES`. */
  readonly pendingByPriority: readonly number[];
  readonly settings: QueueSettings;
  /** Raised by each change of settings, pause or drain; 0 = nobody has said anything of it. */
  readonly revision: number;
  /** Nothing of it is leased. */
  readonly paused: boolean;
  /** Nothing is taken in. */
  readonly draining: boolean;
  /** Running tasks, which `settings.concurrency` bounds. */
  readonly running: number;
  /** Of the finished tasks' records, dead ones not counted. */
  readonly finishedBytes: number;
}

export interface SessionView {
  readonly id: string;
  readonly name: string;
  /** Empty = all. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  readonly labels: readonly string[];
  readonly concurrency: number;
  readonly version: string;
  /** Leases held now. */
  readonly running: number;
  readonly leaseMs: number;
  readonly deadline: ClusterTime;
  /** Counts every move of the deadline; what `lapse` compares. */
  readonly renewals: number;
  readonly registeredAt: ClusterTime;
  readonly renewedAt: ClusterTime;
  /** Its deadline passed, and it is remembered only for leases that it had extended. */
  readonly lapsed: boolean;
}

export interface LeaseView {
  readonly slot: number;
  readonly id: TaskId;
  readonly token: Token;
  readonly deadline: ClusterTime;
}

/** What a worker needs in order to run a task. */
export interface Delivery {
  readonly kind: "ready";
  readonly id: TaskId;
  readonly token: Token;
  readonly session: string;
  readonly type: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly attempt: number;
  /** Failures so far that used a retry, and how many retries there are. */
  readonly failures: number;
  readonly maxRetries: number;
  readonly createdAt: ClusterTime;
  /** When the lease ends unless renewed or extended. */
  readonly deadline: ClusterTime;
  /** 0 = no limit. */
  readonly timeoutMs: number;
  readonly payload: Uint8Array;
  readonly payloadType: ContentType;
  readonly tags: readonly string[];
  readonly metadata: string;
  readonly traceparent: string;
}

/** The task's content is on disk only: read `key`, then ask `deliveryFrom` with the bytes. */
export interface ColdDelivery {
  readonly kind: "cold";
  readonly key: Uint8Array;
}

/** Undefined members do not filter. */
export interface LiveFilter {
  readonly state?: TaskState | undefined;
  readonly queue?: string | undefined;
  readonly type?: string | undefined;
  readonly tag?: string | undefined;
}

export interface LivePage {
  /** In id order. */
  readonly tasks: readonly TaskView[];
  /** Where to go on (exclusive); undefined = nothing is left. */
  readonly next: TaskId | undefined;
}

/** One task in a graph of dependencies. */
export interface GraphNode {
  readonly id: TaskId;
  readonly state: TaskState;
  readonly type: string;
  readonly queue: string;
  /** Its parents, as its submit named them; they may have been deleted since. */
  readonly dependsOn: readonly TaskId[];
}

/** Half open: `gte` belongs to it, `lt` does not. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

/** Which finished tasks a reader of the history is after; what is absent, empty or 0 is any. */
export interface HistoryFilter {
  readonly states?: readonly TaskState[] | undefined;
  readonly queue?: string | undefined;
  readonly type?: string | undefined;
  /** When they ended; half open. */
  readonly finishedFrom?: ClusterTime | undefined;
  readonly finishedTo?: ClusterTime | undefined;
}

/** Dead tasks of one type whose errors say the same but for numbers, ids and names in them. */
export interface ErrorGroup {
  /** 16 hexadecimal digits, of the type and the message without what is particular in it. */
  readonly fingerprint: string;
  readonly type: string;
  /** That of the first of them, at most 1 KiB. */
  readonly message: string;
  /** How many are dead now. */
  readonly count: number;
  /** When the first and the last one died, of all that were in the group since it was made. */
  readonly firstAt: ClusterTime;
  readonly lastAt: ClusterTime;
}

/** What a finished record says without its content, for filtering while the history is scanned. */
export interface FinishedSummary {
  readonly id: TaskId;
  readonly state: TaskState;
  readonly type: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly attempt: number;
  readonly createdAt: ClusterTime;
  readonly finishedAt: ClusterTime;
  /** Present when the content is inside the record, else under its own key. */
  readonly tags: readonly string[] | undefined;
  /** The same; empty = none. */
  readonly group: string | undefined;
  /** Place in line; undefined = it ended before version 3 of the cluster. */
  readonly order: number | undefined;
  /** Bytes of its content, wherever that is; 0 = not known, it is older than version 3. */
  readonly contentBytes: number;
  /** Its share of its queue's `finishedBytes`. */
  readonly historyBytes: number;
  readonly hasResult: boolean;
  readonly logLines: number;
  readonly error: TaskError | undefined;
}
