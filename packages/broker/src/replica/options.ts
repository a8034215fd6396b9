/** What a replica is born with. */
import type { EntryId, RaftOptions } from "task-queue-raft";
import type { QueueMachine, RetryPolicy, Token } from "../queue/index.ts";

export interface ReplicaOptions {
  readonly raft: Omit<RaftOptions, "decodeMembership" | "now" | "applied" | "membership">;
  /** Loaded with the newest flushed state. */
  readonly queue: QueueMachine;
  /** The entry that this state includes last; apply goes on behind it. */
  readonly applied: EntryId;
  /** Members in force at `queue.applied`, encoded; the log may hold newer ones. */
  readonly membership: Uint8Array;
  readonly settings: ReplicaSettings;
  /** Monotonic and wall clock, ms. */
  readonly now: number;
  readonly wallMs: number;
  /** Differs from start to start; see `Requests`. */
  readonly firstForwardId: number;
}

/** What this node, while it leads, fills into commands that leave it open. */
export interface ReplicaSettings {
  readonly retry: RetryPolicy;
  /** Unfinished tasks a queue may hold; 0 = no limit. */
  readonly depthLimit: number;
}

/** Answer to `attach`: see `Broker.attach`. */
export interface Attachment {
  readonly lost: readonly Token[];
  readonly leaseMs: number;
}
