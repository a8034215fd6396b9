/**
 * What a seed turns into: draws every knob, and switches whole kinds of faults and features on or
 * off, for a world where everything happens at once hides what happens only when something else
 * does not.
 */
import { noDamage, noTrouble } from "./calm.ts";
import type { Procedure } from "./deeds.ts";
import { LABELS, type Label } from "./disk-steps.ts";
import {
  type DiskOptions,
  type DiskTroubleOptions,
  type FaultOptions,
  KIB,
  type LaterOptions,
  type MemberOptions,
  MIB,
  NEVER,
  type NetworkOptions,
  type RaftKnobs,
  type SimulationOptions,
  type VersionOptions,
  type WorkloadOptions,
} from "./options.ts";
import { type ProfileName, withProfile } from "./profiles.ts";
import type { Random } from "./random.ts";

/** A world of its own for each seed; `profile`: which one it is to have, whatever it would draw. */
export function swarm(random: Random, profile?: ProfileName): SimulationOptions {
  return withProfile(drawWorld(random), random, profile);
}

function drawWorld(random: Random): SimulationOptions {
  const nodes = random.weighted({ three: 6, five: 3, one: 2 });
  const count = { one: 1, three: 3, five: 5 }[nodes];
  const members = swarmMembers(random, count);
  const isFixed = members.everyMs === NEVER;
  return {
    nodes: count,
    safetyMs: random.between(45_000, 75_000),
    // At half speed, as the cluster's time goes when it has run ahead, delays take twice as long.
    livenessMs: 300_000,
    raft: swarmRaft(random),
    network: swarmNetwork(random),
    disk: swarmDisk(random),
    faults: swarmFaults(random, count, isFixed),
    members,
    trouble: swarmTrouble(random.fork("trouble")),
    damage: noDamage(),
    versions: swarmVersions(random.fork("versions")),
    snapshots: {
      entries: random.pick([0, 5, 20, 100, 10_000]),
      rowsAChunk: random.pick([5, 20, 1000]),
    },
    clocks: {
      skewMs: random.pick([0, 5, 500, 20_000]),
      drift: random.pick([0, 0, 0.0001, 0.02]),
      turnMs: random.pick([0, 0.1, 1, 5]),
    },
    workload: swarmWorkload(random),
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
    commitDelayMs: random.pick([0, 2, 2, 10]),
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
    snapshotBytesPerMs: random.pick([50, 500, 10_000]),
    lenient: random.chance(0.3),
  };
}

/** One that always takes longer than this is no disk to lead with, and here all are alike. */
const FLUSH_MS_MAX = 5000;

function swarmDisk(random: Random): DiskOptions {
  const slow = random.pick([1, 1, 5, 30]);
  return {
    hardStateMs: { min: 0.2 * slow, max: 2 * slow },
    appendMs: { min: 0.3 * slow, max: 3 * slow },
    flushMs: { min: slow, max: Math.min(random.pick([5, 50, 500]) * slow, FLUSH_MS_MAX) },
    readMs: { min: 0.1, max: random.pick([0.5, 5, 50]) },
    stallRate: random.pick([0, 0, 0.005, 0.02]),
    stallMs: random.pick([100, 1000, 3000]),
    syncIntervalMs: random.pick([0, 0, 0, 20, 200]),
  };
}

function swarmFaults(random: Random, nodes: number, isFixed: boolean): FaultOptions {
  const sometimes = (meanMs: readonly number[]) =>
    random.chance(0.6) ? random.pick(meanMs) : NEVER;
  return {
    crashEveryMs: sometimes([2000, 5000, 15_000]),
    leaderShare: random.pick([0, 0.5, 0.9]),
    restartMs: { min: 50, max: random.pick([300, 2000, 10_000]) },
    powerShare: random.pick([0, 0.5, 1]),
    ambushEveryMs: sometimes([700, 2000, 6000]),
    ambushLabels: random.pick(AMBUSHES),
    shortOfficeEveryMs: random.pick([NEVER, NEVER, 3000, 500]),
    shortOfficeMs: 10,
    shortOfficeCutShare: 0.8,
    relayEveryMs: NEVER,
    relayMs: 0,
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
    wallJumpEveryMs: random.chance(0.25) ? 15_000 : NEVER,
    wallJumpsMs: random.pick(WALL_JUMPS),
    strobeEveryMs: random.chance(0.1) ? 20_000 : NEVER,
    oddClockShare: isFixed && nodes > 1 ? random.float() : undefined,
    driftEveryMs: random.chance(0.25) ? 10_000 : NEVER,
    minorityStaysDown: isFixed && nodes > 1 && random.chance(0.25),
  };
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;

/** An hour or a day to and fro, back to 1970, beyond 2038. */
const WALL_JUMPS: readonly (readonly number[])[] = [
  [-500, 500],
  [-30_000, 30_000],
  [-HOUR_MS, HOUR_MS],
  [-DAY_MS, DAY_MS],
  [-55 * YEAR_MS, 55 * YEAR_MS, 14 * YEAR_MS, -14 * YEAR_MS],
];

/** Crashes of all kinds, or many of one kind. */
const AMBUSHES: readonly (readonly Label[])[] = [
  LABELS,
  ["hardState"],
  ["hardState", "log", "truncation"],
  ["truncation"],
  ["staged rows", "pointer switch", "log reset", "old state delete"],
  ["pointer switch", "log reset"],
  ["compaction base", "entry deletion"],
  ["flush", "compaction base"],
  ["log sync", "log"],
];

const STORMS: readonly (readonly Procedure[])[] = [
  ["grow", "shrink"],
  ["replace", "replaceDead"],
  ["grow", "removeLeader", "learn"],
  ["grow", "learn", "shrink", "removeLeader", "replace", "replaceDead"],
];

function swarmMembers(random: Random, nodes: number): MemberOptions {
  const changes = random.chance(0.5);
  const transfers = random.chance(0.4);
  return {
    spares: changes ? random.pick(nodes === 5 ? [0, 1] : [1, 2, 3]) : 0,
    everyMs: changes ? random.pick([2000, 5000, 12_000]) : NEVER,
    procedures: random.pick(STORMS),
    transferEveryMs: transfers ? random.pick([1500, 6000]) : NEVER,
    sigtermEveryMs: random.chance(0.25) ? 8000 : NEVER,
    priorities: random.chance(0.25),
  };
}

function swarmTrouble(random: Random): DiskTroubleOptions {
  const sometimes = (meanMs: readonly number[]) =>
    random.chance(0.3) ? random.pick(meanMs) : NEVER;
  return {
    ...noTrouble(),
    slowEveryMs: sometimes([5000, 20_000]),
    hangEveryMs: sometimes([10_000, 25_000]),
    hangMs: { min: 3000, max: random.pick([6000, 20_000, 60_000]) },
    lowEveryMs: sometimes([5000, 15_000]),
    lowMs: { min: 500, max: random.pick([5000, 30_000]) },
  };
}

function swarmVersions(random: Random): VersionOptions {
  const isMixed = random.chance(0.3);
  return {
    oldMask: isMixed ? random.whole(1, 255) : 0,
    oldMax: random.fork("older").pick([1, 1, 2, 3]),
    rollEveryMs: isMixed ? random.pick([2000, 6000]) : NEVER,
    downShare: random.pick([0, 0.2, 0.4]),
    raiseEveryMs: isMixed ? random.pick([3000, 10_000]) : NEVER,
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
    later: swarmLater(random.fork("later")),
  };
}

function swarmLater(random: Random): LaterOptions {
  return {
    extraRate: random.pick([0, 0.3, 0.7]),
    batchRate: random.pick([0, 0.05, 0.3]),
    configureEveryMs: random.pick([NEVER, 10_000, 3000]),
    childrenRate: random.pick([0, 0.05, 0.2]),
  };
}
