/** What a replica is born with. */
import type { EntryId, RaftOptions } from "task-queue-raft";
import type { QueueMachine, RetryPolicy, Token } from "../queue/index.ts";
import type { Member } from "./members.ts";
import type { VersionRange } from "./versions.ts";

export interface ReplicaOptions {
  readonly raft: Omit<RaftOptions, "decodeMembership" | "now" | "applied" | "membership">;
  /** Loaded with the newest flushed state. */
  readonly queue: QueueMachine;
  /** The entry that this state includes last; apply goes on behind it. */
  readonly applied: EntryId;
  /** Members in force at `queue.applied`, encoded; the log may hold newer ones. */
  readonly membership: Uint8Array;
  readonly settings: ReplicaSettings;
  /** What this node's binary can work with. */
  readonly supports: VersionRange;
  /** This node as it is configured now; the members in force may tell older addresses of it. */
  readonly self: Member;
  /**
   * Revision of the roster with which this node became a member; 0 for a founder. Only by it can a
   * node that starts tell that it has been removed from that it has not been added yet.
   */
  readonly joinedAt?: number;
  /** Bytes of the log on disk. */
  readonly logBytes: number;
  /** Monotonic and wall clock, ms. */
  readonly now: number;
  readonly wallMs: number;
  /** Differs from start to start; see `Requests`. */
  readonly firstForwardId: number;
  /** What is applied in one go; `APPLY_WORK_MAX` by default. */
  readonly applyWork?: number;
}

/** What this node, while it leads, fills into commands that leave it open. */
export interface ReplicaSettings {
  readonly retry: RetryPolicy;
  /** By task type; goes before `retry`. None of it by default. */
  readonly retryOfTypes?: ReadonlyMap<string, Partial<RetryPolicy>>;
  /** Unfinished tasks a queue may hold; 0 = no limit. */
  readonly depthLimit: number;
  /** Entries kept in the log behind the flushed state, for members that were away for a moment. */
  readonly snapshotEntries: number;
  /** Among voters that are up to date the one with the highest becomes leader. */
  readonly priority: number;
}

/** A snapshot that is on disk beside the live state, and loaded. */
export interface ReceivedSnapshot {
  /** The entry that it includes last. */
  readonly id: EntryId;
  /** Members in force at that entry, encoded. */
  readonly membership: Uint8Array;
  readonly queue: QueueMachine;
}

/** Answer to `attach`: see `Broker.attach`. */
export interface Attachment {
  readonly lost: readonly Token[];
  readonly leaseMs: number;
}
