/**
 * What a simulated world is made of. `calm.ts` is a healthy cluster, `swarm.ts` draws a world of its
 * own for each seed.
 *
 * Rates are written as mean times between events; Infinity means never.
 */
import type { RaftOptions } from "task-queue-raft";
import type { Procedure } from "./deeds.ts";
import type { Damage } from "./disk-damage.ts";
import type { Label } from "./disk-steps.ts";

export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface NetworkOptions {
  readonly delayMs: Range;
  readonly lossRate: number;
  readonly duplicateRate: number;
  /** Share of packets that ignore the order of their stream and arrive late. */
  readonly reorderRate: number;
  readonly reorderMs: number;
  /** How long until a node notices that a peer's streams closed. */
  readonly noticeMs: Range;
  /** Packets in flight survive the crash of their receiver and reach its next life. */
  readonly stragglers: boolean;
  /** How fast snapshots flow. */
  readonly snapshotBytesPerMs: number;
  /** The bus lets in those who are in nobody's book any more. */
  readonly lenient: boolean;
}

export interface DiskOptions {
  readonly hardStateMs: Range;
  readonly appendMs: Range;
  readonly flushMs: Range;
  readonly readMs: Range;
  /** Share of operations that take up to `stallMs` instead. */
  readonly stallRate: number;
  readonly stallMs: number;
  /** 0: entries are fsynced before they are acknowledged; otherwise at most so much later. */
  readonly syncIntervalMs: number;
}

export interface FaultOptions {
  readonly crashEveryMs: number;
  /** Share of crashes that hit the leader, if there is one. */
  readonly leaderShare: number;
  readonly restartMs: Range;
  /** Share of crashes that are losses of power. */
  readonly powerShare: number;
  /** Crashes during the next disk step of a label. */
  readonly ambushEveryMs: number;
  readonly ambushLabels: readonly Label[];
  /** Orders to crash or to cut off the next leader right after its election. */
  readonly shortOfficeEveryMs: number;
  /** How long after it, on average. */
  readonly shortOfficeMs: number;
  /** Whom the others it is then cut off from are, each with this chance. */
  readonly shortOfficeCutShare: number;
  /** Attempts at the one situation that tells counting from committing; see `OfficeRelay`. */
  readonly relayEveryMs: number;
  /** Up to so long the leader stays once it has spread what it had. */
  readonly relayMs: number;
  readonly powerLossEveryMs: number;
  readonly partitionEveryMs: number;
  readonly partitionMs: Range;
  readonly oneWayShare: number;
  readonly resetEveryMs: number;
  readonly clogEveryMs: number;
  readonly clogMs: number;
  /** The process stands still, like one that is stopped or swaps. */
  readonly freezeEveryMs: number;
  readonly freezeMs: Range;
  /** The disk takes this long for everything, for a while. */
  readonly diskStallEveryMs: number;
  readonly diskStallMs: Range;
  readonly wallJumpEveryMs: number;
  readonly wallJumpsMs: readonly number[];
  /** The wall clock jumps to and fro for a while. */
  readonly strobeEveryMs: number;
  /** Only the clock of this node is wrong; undefined: that of any. */
  readonly oddClockShare: number | undefined;
  /** The monotonic clock runs too fast or too slow for a while. */
  readonly driftEveryMs: number;
  /** A minority stays broken while the rest must come to rest. */
  readonly minorityStaysDown: boolean;
}

export interface MemberOptions {
  /** Nodes that wait with an empty disk. */
  readonly spares: number;
  readonly everyMs: number;
  readonly procedures: readonly Procedure[];
  readonly transferEveryMs: number;
  readonly sigtermEveryMs: number;
  /** Nodes differ in how much they should lead. */
  readonly priorities: boolean;
}

/** Disks that answer late, not at all, or are nearly full. */
export interface DiskTroubleOptions {
  readonly slowEveryMs: number;
  /** Everything takes so many times as long. */
  readonly slowFactor: Range;
  readonly slowMs: Range;
  readonly hangEveryMs: number;
  readonly hangMs: Range;
  readonly lowEveryMs: number;
  readonly lowMs: Range;
}

/** Disks that lose what they hold, never more of them at once than a quorum can spare. */
export interface DamageOptions {
  readonly everyMs: number;
  readonly kinds: readonly Damage[];
  readonly downMs: Range;
  /** Records that go bad under a running process. */
  readonly rotEveryMs: number;
  /** Somebody copies a disk, to bring it back later. */
  readonly imageEveryMs: number;
  /** In the end a majority is damaged: the cluster must halt. */
  readonly beyond: boolean;
}

/** Binaries of two versions in one cluster. */
export interface VersionOptions {
  /** Nodes that begin with the older one, by bits. */
  readonly oldMask: number;
  /** What the older one knows. */
  readonly oldMax: number;
  /** The operator starts a node with another binary. */
  readonly rollEveryMs: number;
  /** Share of these that go back to the older one. */
  readonly downShare: number;
  /** The operator wants the cluster to work with the newer version. */
  readonly raiseEveryMs: number;
}

export interface SnapshotOptions {
  /** Entries kept in the log behind the flushed state. */
  readonly entries: number;
  readonly rowsAChunk: number;
}

export interface ClockOptions {
  readonly skewMs: number;
  readonly drift: number;
  /** A turn starts this long after its first input: what comes meanwhile joins it. */
  readonly turnMs: number;
}

export type WorkerDeed =
  | "complete"
  | "fail"
  | "failForGood"
  | "release"
  | "extend"
  | "stall"
  | "die"
  | "completeTwice"
  | "overrun"
  | "forget";

export interface WorkloadOptions {
  readonly clients: number;
  /** Pause of one client between two deeds. */
  readonly thinkMs: number;
  readonly burstMax: number;
  readonly workers: number;
  readonly concurrencyMax: number;
  readonly leaseMs: Range;
  readonly runMs: Range;
  readonly deeds: Readonly<Record<WorkerDeed, number>>;
  readonly queues: number;
  readonly types: number;
  readonly payloadBytesMax: number;
  readonly hugePayloadRate: number;
  readonly delayRate: number;
  readonly keyRate: number;
  readonly timeoutRate: number;
  readonly cancelRate: number;
  readonly readRate: number;
  /** Share of submits that are sent again although they were answered. */
  readonly resendRate: number;
  readonly quietRate: number;
  readonly reconnectEveryMs: number;
  readonly byeEveryMs: number;
  readonly depthLimit: number;
  readonly maxRetries: number;
  readonly retryDelayMs: number;
  readonly clientTimeoutMs: number;
  readonly later: LaterOptions;
}

/** What there is since version 3 of the cluster; in an older one nobody asks for it. */
export interface LaterOptions {
  /** Share of the tasks that have a group, an expiry, a unique key, labels or parents. */
  readonly extraRate: number;
  /** Share of the results that come with tasks that begin with them. */
  readonly childrenRate: number;
  /** Share of the submits that are a batch: a diamond, all or nothing. */
  readonly batchRate: number;
  /** The operator changes settings of a queue, or something about many tasks at once. */
  readonly configureEveryMs: number;
}

export type RaftKnobs = Pick<
  RaftOptions,
  | "electionTimeoutMs"
  | "heartbeatIntervalMs"
  | "commitDelayMs"
  | "maxMessageBytes"
  | "maxInflight"
  | "maxUncommittedBytes"
  | "maxTailBytes"
>;

export interface SimulationOptions {
  readonly nodes: number;
  /** How long faults are injected. */
  readonly safetyMs: number;
  /** By then, after the last fault, everything must have come to rest. */
  readonly livenessMs: number;
  readonly raft: RaftKnobs;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly faults: FaultOptions;
  readonly members: MemberOptions;
  readonly trouble: DiskTroubleOptions;
  readonly damage: DamageOptions;
  readonly versions: VersionOptions;
  readonly snapshots: SnapshotOptions;
  readonly clocks: ClockOptions;
  readonly workload: WorkloadOptions;
}

export const NEVER = Number.POSITIVE_INFINITY;
export const KIB = 1024;
export const MIB = 1024 * KIB;
