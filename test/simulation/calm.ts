/** A healthy cluster of three under an everyday load: no fault at all. */
import {
  type DamageOptions,
  type DiskTroubleOptions,
  type FaultOptions,
  type MemberOptions,
  MIB,
  NEVER,
  type RaftKnobs,
  type SimulationOptions,
  type WorkerDeed,
  type WorkloadOptions,
} from "./options.ts";

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
      snapshotBytesPerMs: 10_000,
      lenient: false,
    },
    disk: {
      hardStateMs: { min: 0.5, max: 2 },
      appendMs: { min: 0.5, max: 3 },
      flushMs: { min: 1, max: 5 },
      readMs: { min: 0.1, max: 0.5 },
      stallRate: 0,
      stallMs: 0,
      syncIntervalMs: 0,
    },
    faults: noFaults(),
    members: noChanges(),
    trouble: noTrouble(),
    damage: noDamage(),
    versions: { oldMask: 0, oldMax: 1, rollEveryMs: NEVER, downShare: 0, raiseEveryMs: NEVER },
    snapshots: { entries: 10_000, rowsAChunk: 1000 },
    clocks: { skewMs: 5, drift: 0, turnMs: 0.1 },
    workload: calmWorkload(),
  };
}

function calmRaft(): RaftKnobs {
  return {
    electionTimeoutMs: 1000,
    heartbeatIntervalMs: 100,
    commitDelayMs: 2,
    maxMessageBytes: MIB,
    maxInflight: 64,
    maxUncommittedBytes: 64 * MIB,
    maxTailBytes: 16 * MIB,
  };
}

function noFaults(): FaultOptions {
  return {
    crashEveryMs: NEVER,
    leaderShare: 0.5,
    restartMs: { min: 100, max: 1000 },
    powerShare: 0,
    ambushEveryMs: NEVER,
    ambushLabels: [],
    shortOfficeEveryMs: NEVER,
    shortOfficeMs: 10,
    shortOfficeCutShare: 0.8,
    relayEveryMs: NEVER,
    relayMs: 0,
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
    wallJumpsMs: [],
    strobeEveryMs: NEVER,
    oddClockShare: undefined,
    driftEveryMs: NEVER,
    minorityStaysDown: false,
  };
}

function noChanges(): MemberOptions {
  return {
    spares: 0,
    everyMs: NEVER,
    procedures: [],
    transferEveryMs: NEVER,
    sigtermEveryMs: NEVER,
    priorities: false,
  };
}

export function noTrouble(): DiskTroubleOptions {
  return {
    slowEveryMs: NEVER,
    slowFactor: { min: 10, max: 100 },
    slowMs: { min: 1000, max: 10_000 },
    hangEveryMs: NEVER,
    hangMs: { min: 3000, max: 60_000 },
    lowEveryMs: NEVER,
    lowMs: { min: 1000, max: 20_000 },
  };
}

export function noDamage(): DamageOptions {
  return {
    everyMs: NEVER,
    kinds: [],
    downMs: { min: 100, max: 2000 },
    rotEveryMs: NEVER,
    imageEveryMs: NEVER,
    beyond: false,
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
    later: { extraRate: 0.3, childrenRate: 0.05, batchRate: 0.05, configureEveryMs: 10_000 },
  };
}
