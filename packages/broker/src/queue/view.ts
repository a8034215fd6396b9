/**
 * What readers of the machine get to see beside a TaskView: queues, sessions, leases, deliveries
 * and pages of lists. All of it is a copy: nothing here moves when the next batch is applied.
 */
import type {
  ClusterTime,
  ContentType,
  Priority,
  TaskId,
  TaskState,
  TaskView,
  Token,
} from "./task.ts";

/** How many tasks are in each state. */
export type StateCounts = Readonly<Record<TaskState, number>>;

export interface QueueView {
  readonly name: string;
  readonly counts: StateCounts;
  /** Since when the first task in line has been pending; 0 = none is. */
  readonly oldestPendingAt: ClusterTime;
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

/** Half open: `gte` belongs to it, `lt` does not. */
export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
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
}
