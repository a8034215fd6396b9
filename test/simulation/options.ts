/**
 * Every knob of a simulation. `swarm` draws all of them from the seed, and switches whole kinds of
 * faults and features on or off, for a world where everything happens at once hides what happens
 * only when something else does not. `calm` is a healthy cluster.
 *
 * Rates are written as mean times between events; Infinity means never.
 */
import type { RaftOptions } from "task-queue-raft";
import type { Random } from "./random.ts";

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
}

export interface DiskOptions {
  readonly hardStateMs: Range;
  readonly appendMs: Range;
  readonly flushMs: Range;
  readonly readMs: Range;
  /** Share of operations that take up to `stallMs` instead. */
  readonly stallRate: number;
  readonly stallMs: number;
}

export interface FaultOptions {
  readonly crashEveryMs: number;
  /** Share of crashes that hit the leader, if there is one. */
  readonly leaderShare: number;
  readonly restartMs: Range;
  /** Share of writes of a hard state, and of the log, that a crash interrupts. */
  readonly crashInHardState: number;
  readonly crashInLog: number;
  /** Share of elections after which the winner soon crashes or is cut off. */
  readonly shortOffice: number;
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
  readonly wallJumpMs: number;
  /** A minority stays broken while the rest must come to rest. */
  readonly minorityStaysDown: boolean;
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
}

export type RaftKnobs = Pick<
  RaftOptions,
  | "electionTimeoutMs"
  | "heartbeatIntervalMs"
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
  readonly clocks: ClockOptions;
  readonly workload: WorkloadOptions;
}

const NEVER = Number.POSITIVE_INFINITY;
const KIB = 1024;
const MIB = 1024 * KIB;

/** A healthy cluster of three under an everyday load. */
export function calm(): SimulationOptions {
  return {
    nodes: 3,
    safetyMs: 60_000,
    livenessMs: 120_000,
    raft: calmRaft(),
    network: {
      delayMs: { min: 0.2, max: 1 },
      lossRate: 0,
      duplicateRate: 0,
      reorderRate: 0,
      reorderMs: 0,
      noticeMs: { min: 1, max: 20 },
      stragglers: false,
    },
    disk: {
      hardStateMs: { min: 0.5, max: 2 },
      appendMs: { min: 0.5, max: 3 },
      flushMs: { min: 1, max: 5 },
      readMs: { min: 0.1, max: 0.5 },
      stallRate: 0,
      stallMs: 0,
    },
    faults: noFaults(),
    clocks: { skewMs: 5, drift: 0, turnMs: 0.1 },
    workload: calmWorkload(),
  };
}

/** A world of its own for each seed. */
export function swarm(random: Random): SimulationOptions {
  const nodes = random.weighted({ three: 6, five: 3, one: 1 });
  const count = { one: 1, three: 3, five: 5 }[nodes];
  return {
    nodes: count,
    safetyMs: random.between(45_000, 75_000),
    livenessMs: 150_000,
    raft: swarmRaft(random),
    network: swarmNetwork(random),
    disk: swarmDisk(random),
    faults: swarmFaults(random, count),
    clocks: {
      skewMs: random.pick([0, 5, 500, 20_000]),
      drift: random.pick([0, 0, 0.0001, 0.02]),
      turnMs: random.pick([0, 0.1, 1, 5]),
    },
    workload: swarmWorkload(random),
  };
}

function calmRaft(): RaftKnobs {
  return {
    electionTimeoutMs: 1000,
    heartbeatIntervalMs: 100,
    maxMessageBytes: MIB,
    maxInflight: 64,
    maxUncommittedBytes: 64 * MIB,
    maxTailBytes: 64 * MIB,
  };
}

function swarmRaft(random: Random): RaftKnobs {
  const electionTimeoutMs = random.pick([500, 1000, 1000, 2000]);
  return {
    electionTimeoutMs,
    heartbeatIntervalMs: electionTimeoutMs / random.pick([5, 10, 10]),
    ...random.pick([
      // Small messages need a wide window, or a slow link does not carry the load.
      { maxMessageBytes: 256, maxInflight: 16 },
      { maxMessageBytes: KIB, maxInflight: 64 },
      { maxMessageBytes: 16 * KIB, maxInflight: 1 },
      { maxMessageBytes: MIB, maxInflight: 2 },
      { maxMessageBytes: MIB, maxInflight: 64 },
    ]),
    maxUncommittedBytes: random.pick([KIB, 64 * KIB, 64 * MIB]),
    maxTailBytes: random.pick([0, KIB, 16 * KIB, 64 * MIB]),
  };
}

function swarmNetwork(random: Random): NetworkOptions {
  const rough = random.chance(0.5);
  const slowest = random.pick([1, 2, 10, 50]);
  return {
    delayMs: { min: random.pick([0.05, 0.2, 1]), max: slowest },
    lossRate: rough ? random.pick([0, 0.01, 0.05, 0.2]) : 0,
    duplicateRate: rough ? random.pick([0, 0.02, 0.1]) : 0,
    reorderRate: rough ? random.pick([0, 0.02, 0.2]) : 0,
    reorderMs: random.pick([5, 50, 500]),
    noticeMs: random.pick([
      { min: 0.5, max: 5 },
      { min: 1, max: 300 },
      { min: 1000, max: 8000 },
    ]),
    stragglers: random.chance(0.3),
  };
}

function swarmDisk(random: Random): DiskOptions {
  const slow = random.pick([1, 1, 5, 30]);
  return {
    hardStateMs: { min: 0.2 * slow, max: 2 * slow },
    appendMs: { min: 0.3 * slow, max: 3 * slow },
    flushMs: { min: slow, max: random.pick([5, 50, 500]) * slow },
    readMs: { min: 0.1, max: random.pick([0.5, 5, 50]) },
    stallRate: random.pick([0, 0, 0.005, 0.02]),
    stallMs: random.pick([100, 1000, 3000]),
  };
}

function noFaults(): FaultOptions {
  return {
    crashEveryMs: NEVER,
    leaderShare: 0.5,
    restartMs: { min: 100, max: 1000 },
    crashInHardState: 0,
    crashInLog: 0,
    shortOffice: 0,
    powerLossEveryMs: NEVER,
    partitionEveryMs: NEVER,
    partitionMs: { min: 500, max: 5000 },
    oneWayShare: 0,
    resetEveryMs: NEVER,
    clogEveryMs: NEVER,
    clogMs: 1000,
    freezeEveryMs: NEVER,
    freezeMs: { min: 100, max: 1000 },
    diskStallEveryMs: NEVER,
    diskStallMs: { min: 100, max: 1000 },
    wallJumpEveryMs: NEVER,
    wallJumpMs: 0,
    minorityStaysDown: false,
  };
}

function swarmFaults(random: Random, nodes: number): FaultOptions {
  const sometimes = (meanMs: readonly number[]) =>
    random.chance(0.6) ? random.pick(meanMs) : NEVER;
  return {
    crashEveryMs: sometimes([2000, 5000, 15_000]),
    leaderShare: random.pick([0, 0.5, 0.9]),
    restartMs: { min: 50, max: random.pick([300, 2000, 10_000]) },
    crashInHardState: random.pick([0, 0.1, 0.4]),
    crashInLog: random.pick([0, 0, 0.002, 0.01]),
    shortOffice: random.pick([0, 0, 0.3, 0.7]),
    powerLossEveryMs: random.chance(0.25) ? 20_000 : NEVER,
    partitionEveryMs: nodes === 1 ? NEVER : sometimes([3000, 8000, 20_000]),
    partitionMs: { min: 100, max: random.pick([1000, 5000, 15_000]) },
    oneWayShare: random.pick([0, 0.3, 1]),
    resetEveryMs: nodes === 1 ? NEVER : sometimes([1000, 10_000]),
    clogEveryMs: nodes === 1 ? NEVER : sometimes([3000, 10_000]),
    clogMs: random.pick([200, 1500, 4000]),
    freezeEveryMs: sometimes([5000, 20_000]),
    freezeMs: { min: 50, max: random.pick([500, 3000, 8000]) },
    diskStallEveryMs: sometimes([5000, 20_000]),
    diskStallMs: { min: 100, max: random.pick([500, 3000, 8000]) },
    wallJumpEveryMs: random.chance(0.2) ? 15_000 : NEVER,
    wallJumpMs: random.pick([500, 30_000]),
    minorityStaysDown: nodes > 1 && random.chance(0.25),
  };
}

const HONEST: Readonly<Record<WorkerDeed, number>> = {
  complete: 1,
  fail: 0,
  failForGood: 0,
  release: 0,
  extend: 0,
  stall: 0,
  die: 0,
  completeTwice: 0,
  overrun: 0,
  forget: 0,
};

function calmWorkload(): WorkloadOptions {
  return {
    clients: 4,
    thinkMs: 200,
    burstMax: 1,
    workers: 3,
    concurrencyMax: 8,
    leaseMs: { min: 10_000, max: 10_000 },
    runMs: { min: 20, max: 200 },
    deeds: HONEST,
    queues: 2,
    types: 2,
    payloadBytesMax: 200,
    hugePayloadRate: 0,
    delayRate: 0.05,
    keyRate: 0.1,
    timeoutRate: 0,
    cancelRate: 0.02,
    readRate: 0.1,
    resendRate: 0,
    quietRate: 0,
    reconnectEveryMs: NEVER,
    byeEveryMs: NEVER,
    depthLimit: 0,
    maxRetries: 3,
    retryDelayMs: 1000,
    clientTimeoutMs: 8000,
  };
}

function swarmWorkload(random: Random): WorkloadOptions {
  const some = (weights: readonly number[]) => random.pick(weights);
  const leaseMs = random.pick([1500, 4000, 10_000]);
  const clients = random.whole(2, 5);
  const burstMax = random.pick([1, 1, 10]);
  const perSecond = random.pick([4, 10, 20]);
  return {
    clients,
    thinkMs: (1000 * clients * (1 + burstMax)) / 2 / perSecond,
    burstMax,
    workers: random.whole(1, 5),
    concurrencyMax: random.pick([1, 3, 10]),
    leaseMs: { min: leaseMs / 2, max: leaseMs },
    runMs: { min: 1, max: random.pick([20, 300, 2000]) },
    deeds: {
      complete: 10,
      fail: some([0, 1, 5]),
      failForGood: some([0, 1]),
      release: some([0, 1, 3]),
      extend: some([0, 1, 3]),
      stall: some([0, 0, 1]),
      die: some([0, 0, 0.5]),
      completeTwice: some([0, 1, 3]),
      overrun: some([0, 1]),
      forget: some([0, 0, 0.5]),
    },
    queues: random.whole(1, 4),
    types: random.whole(1, 3),
    payloadBytesMax: random.pick([20, 200, 2000]),
    hugePayloadRate: random.pick([0, 0, 0.02]),
    delayRate: random.pick([0, 0.2, 0.5]),
    keyRate: random.pick([0, 0.2, 0.6]),
    timeoutRate: random.pick([0, 0.3]),
    cancelRate: random.pick([0, 0.05, 0.3]),
    readRate: random.pick([0.05, 0.3]),
    resendRate: random.pick([0, 0.1, 0.3]),
    quietRate: random.pick([0, 0.05]),
    reconnectEveryMs: random.pick([NEVER, 5000, 15_000]),
    byeEveryMs: random.pick([NEVER, 20_000]),
    depthLimit: random.pick([0, 0, 20]),
    maxRetries: random.whole(0, 4),
    retryDelayMs: random.pick([50, 500, 2000]),
    clientTimeoutMs: random.pick([800, 3000, 8000]),
  };
}
