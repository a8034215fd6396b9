/**
 * What the edges may ask of this node: the one interface behind REST, the worker protocol and gRPC.
 * The runtime implements it. Callbacks rather than promises on the paths that carry every task.
 */
import type {
  AccessKey,
  Command,
  Delivery,
  ErrorGroup,
  FeedReader,
  GraphNode,
  JobView,
  LeaseLostEvent,
  LogPage,
  QueueView,
  SessionView,
  TaskId,
  TaskState,
  TaskView,
  Token,
  Totals,
} from "../queue/index.ts";
import type { Outcome, VersionRange } from "../replica/index.ts";
import type { TaskFilter } from "./task-filter.ts";

export type { Outcome } from "../replica/index.ts";
export type { TaskFilter } from "./task-filter.ts";

export type Consistency = "linearizable" | "stale";

export interface MemberStatus {
  readonly id: string;
  /** Where workers and clients reach it. */
  readonly address: string;
  readonly role: "leader" | "follower" | "candidate" | "learner" | "unknown";
  /** How far its log is known to equal the leader's; undefined: only the leader knows. */
  readonly matchIndex: number | undefined;
  readonly lag: number | undefined;
  readonly healthy: boolean;
  /** Of its program; empty: not known here. */
  readonly version: string;
  /** Versions of the cluster that its program knows; undefined: it never said. */
  readonly supports: VersionRange | undefined;
}

export interface NodeStatus {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly clusterVersion: number;
  readonly role: "leader" | "follower" | "candidate";
  readonly term: number;
  readonly leader: { readonly id: string; readonly address: string } | undefined;
  readonly applied: number;
  readonly commit: number;
  readonly effectHash: string;
  /** Serves reads and writes: a leader is known and this node is not far behind it. */
  readonly ready: boolean;
  /** Why not, when not ready: one sentence. */
  readonly reason: string;
  readonly draining: boolean;
  readonly durability: "quorum-fsync" | "quorum" | "single-fsync" | "single";
  /** As far as this node knows; exact on the leader. */
  readonly members: readonly MemberStatus[];
}

/** A worker's connection as the dispatcher sees it. Calls come in batches, once a turn. */
export interface SessionChannel {
  deliver(deliveries: readonly Delivery[]): void;
  leaseLost(events: readonly LeaseLostEvent[]): void;
  /** Every heartbeat up to now is committed. */
  renewed(): void;
  /** The session lapsed or was ended elsewhere; all its leases are gone. */
  ended(): void;
  /** This node no longer leads; `address` of the new leader where known. The session lives on. */
  leaderChanged(address: string | undefined): void;
}

/** Answer to `attach`. Leases not in `held` are delivered again with the same token. */
export interface Attached {
  /** Tokens of `held` that are no longer the session's. */
  readonly lost: readonly Token[];
  readonly leaseMs: number;
}

export interface Broker {
  readonly nodeId: string;
  status(): NodeStatus;
  /** As `status` has them, for every answer: the rest of it is a look at all members. */
  readonly applied: number;
  readonly durability: NodeStatus["durability"];
  /** New tasks are refused, for want of room on the disks of too many brokers. */
  readonly intakeClosed: boolean;

  /** A write, from any node; `done` is called once, never synchronously. */
  request(command: Command, done: (outcome: Outcome) => void): void;

  /**
   * Resolves with this node's applied index once a local read satisfies the consistency, and
   * `minIndex` where given. Rejects with `TqError` code `no_leader` after the read deadline.
   */
  readBarrier(consistency: Consistency, minIndex?: number): Promise<number>;
  task(id: TaskId): TaskView | undefined;
  /** As far as this node has applied; what has completed stays so. */
  hasCompleted(id: TaskId): boolean;
  /** Live tasks in id order after `after`; examines at most `work` tasks, hence `next`. */
  listLive(
    filter: TaskFilter,
    after: TaskId | undefined,
    limit: number,
  ): ListPage | Promise<ListPage>;
  /** Finished tasks, newest id first, before `before`. */
  listFinished(filter: TaskFilter, before: TaskId | undefined, limit: number): Promise<ListPage>;
  /** Groups of dead tasks by their error, beyond a fingerprint, in its order; at most `limit`. */
  errorGroups(after: string | undefined, limit: number): Promise<readonly ErrorGroup[]>;
  queues(): readonly QueueView[];
  queue(name: string): QueueView | undefined;
  /** How many unfinished tasks it may hold by its own settings; 0 = they do not say. */
  depthLimit(name: string): number;
  /** In the order of their ids. */
  jobs(): readonly JobView[];
  job(id: TaskId): JobView | undefined;
  /** In the order of their ids, those that have ended and are remembered included. */
  accessKeys(): readonly AccessKey[];
  /** As far as this node has applied. `id`: 32 hexadecimal digits. */
  accessKey(id: string): AccessKey | undefined;
  sessions(): readonly SessionView[];
  counts(): Readonly<Record<TaskState, number>>;
  /** As far as this node has applied. */
  totals(): Totals;
  /** Cluster time now, as this node knows it. */
  clock(): number;
  /**
   * Resolves when the task is finished, with its view; undefined after `timeoutMs`, or if unknown.
   */
  waitFinished(id: TaskId, timeoutMs: number, signal: AbortSignal): Promise<TaskView | undefined>;
  /** What happened to tasks. To be asked for at each use: an installed snapshot brings another. */
  feed(): FeedReader;
  /** `listener` is called after each turn that applied something, until unsubscribed. */
  onApplied(listener: () => void): () => void;
  /** Lines of a task's log behind number `after`; undefined: there is no such task. */
  logLines(id: TaskId, after: number, limit: number): Promise<LogPage | undefined>;
  /** A task among its relatives; undefined: there is nothing left of it. */
  graphNode(id: TaskId): Promise<GraphNode | undefined>;
  /** Tasks that depend, or depended, on this one, in id order; at most `limit`. */
  children(id: TaskId, limit: number): Promise<readonly TaskId[]>;
  storageStats(): Promise<Readonly<Record<string, number>>>;
  /** Gives the disk back what removed records still take in the state; once at a time. */
  compactState(): Promise<Compacted>;
  /** See `BackupDesk.read`. */
  backupPiece(id: string, offset: number, minIndex: number): Promise<BackupPiece>;

  // Members and leadership; on the leader only, elsewhere they reject with `no_leader` and say who
  // leads. All reject with `TqError`: `state_conflict` when it may not be done now, `not_found`.

  /**
   * Adds the node that answers at `peer` (`id@host:port`, as in `raft.peers`) as a learner.
   * Resolves once that is applied. Rejects when it cannot be reached or belongs to a cluster.
   */
  addMember(peer: string): Promise<void>;
  /** A learner becomes a voter. `force`: even if it has not caught up. */
  promoteMember(id: string, force: boolean): Promise<void>;
  /** `force`: even if those who stay could then not reach a quorum. */
  removeMember(id: string, force: boolean): Promise<void>;
  /** Resolves when another one leads. `to` undefined: the voter that is the furthest. */
  transferLeadership(to: string | undefined): Promise<void>;
  /**
   * From now on the cluster works with version `to`, for ever. `to` undefined: the highest that
   * this node's program knows. Rejects unless every member knows it.
   */
  raiseVersion(to: number | undefined): Promise<void>;

  // Worker sessions; on the leader only.

  /**
   * After `register` was applied: connects a session to its worker. Replaces an earlier channel.
   */
  attach(session: string, held: readonly Token[], channel: SessionChannel): Attached | undefined;
  detach(session: string, channel: SessionChannel): void;
  /**
   * How many tasks the worker is willing to hold at once; 0 = quiet. Absolute, not an increment.
   */
  setWindow(session: string, window: number): void;
  /** `complete`, `fail`, `release`, `extend` of this session: frees its credit at once. */
  sessionRequest(session: string, command: Command, done: (outcome: Outcome) => void): void;
  /** A heartbeat; answered by `channel.renewed`. */
  beat(session: string): void;
}

/** What the state takes on disk, about. */
export interface Compacted {
  readonly beforeBytes: number;
  readonly afterBytes: number;
}

/** Some of the bytes of a backup. */
export interface BackupPiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly crc32: number;
  /** Set in the last one: SHA-256 of the whole, in hex. */
  readonly sha256: string | undefined;
}

export interface ListPage {
  readonly tasks: readonly TaskView[];
  /** Continue after this one; undefined = the end. */
  readonly next: TaskId | undefined;
}
