/**
 * Worlds of the simulator in which a certain mistake shows soon. Each changes what a seed has drawn
 * and leaves the rest to it; nothing in them may break what the simulator promises to tolerate.
 */
import { NEVER, type SimulationOptions } from "../simulation/options.ts";

type Profile = (drawn: SimulationOptions) => SimulationOptions;

/** Each entry travels alone and waits for the one before it. */
const ONE_BY_ONE = { maxMessageBytes: 1, maxInflight: 1 };

/** Sound disks, quick links, members that stay, and of the faults only the small ones. */
function quiet(drawn: SimulationOptions): SimulationOptions {
  const { network, disk, faults, members, trouble, damage } = drawn;
  return {
    ...drawn,
    network: {
      ...network,
      delayMs: { min: 0.2, max: 5 },
      lossRate: 0,
      noticeMs: { min: 1, max: 100 },
    },
    disk: {
      ...disk,
      stallRate: 0,
      hardStateMs: { min: 0.2, max: 2 },
      appendMs: { min: 0.3, max: 3 },
    },
    faults: {
      ...faults,
      crashEveryMs: NEVER,
      ambushEveryMs: NEVER,
      powerLossEveryMs: NEVER,
      partitionEveryMs: NEVER,
      freezeEveryMs: NEVER,
      diskStallEveryMs: NEVER,
      relayEveryMs: NEVER,
    },
    trouble: { ...trouble, slowEveryMs: NEVER, hangEveryMs: NEVER, lowEveryMs: NEVER },
    damage: { ...damage, everyMs: NEVER, rotEveryMs: NEVER, imageEveryMs: NEVER, beyond: false },
    members: {
      ...members,
      spares: 0,
      everyMs: NEVER,
      transferEveryMs: NEVER,
      sigtermEveryMs: NEVER,
    },
  };
}

/**
 * Entries of earlier terms reach a majority one by one, and leaders are lost in between: only if
 * one goes before its own first entry is everywhere can a later leader lack what it committed.
 */
function shortOffices(drawn: SimulationOptions): SimulationOptions {
  const { raft } = drawn;
  const world = quiet(drawn);
  return {
    ...world,
    nodes: 5,
    raft: { ...raft, electionTimeoutMs: 500, heartbeatIntervalMs: 50, ...ONE_BY_ONE },
    faults: {
      ...world.faults,
      // Right after the election most of the time, else soon, and for an election or two.
      shortOfficeEveryMs: 400,
      shortOfficeMs: 10,
      shortOfficeCutShare: 0.8,
      crashEveryMs: 1500,
      leaderShare: 1,
      restartMs: { min: 300, max: 2000 },
    },
  };
}

/**
 * Leaders are cut off and patient, the others quick to suspect them: for a while two nodes lead, in
 * terms of their own, and clients who are with the older one ask it many questions.
 */
function oldLeaders(drawn: SimulationOptions): SimulationOptions {
  const { nodes, raft, workload } = drawn;
  const world = quiet(drawn);
  return {
    ...world,
    nodes: nodes === 5 ? 5 : 3,
    raft: { ...raft, electionTimeoutMs: 2000, heartbeatIntervalMs: 200 },
    network: { ...world.network, noticeMs: { min: 0.5, max: 5 } },
    faults: {
      ...world.faults,
      partitionEveryMs: 2500,
      partitionMs: { min: 800, max: 2500 },
      leaderShare: 0.9,
      oneWayShare: 0.3,
    },
    workload: { ...workload, thinkMs: workload.thinkMs / 4, burstMax: 1, readRate: 0.6 },
  };
}

/** Members change all the time, and leaders are cut off with changes that only they have. */
function lostChanges(drawn: SimulationOptions): SimulationOptions {
  const { raft } = drawn;
  const world = quiet(drawn);
  return {
    ...world,
    nodes: 3,
    raft: { ...raft, electionTimeoutMs: 1000, heartbeatIntervalMs: 100 },
    network: { ...world.network, noticeMs: { min: 0.5, max: 5 } },
    faults: {
      ...world.faults,
      partitionEveryMs: 1500,
      partitionMs: { min: 900, max: 2500 },
      leaderShare: 1,
      oneWayShare: 0,
      // Both are for worlds whose members stay the same.
      oddClockShare: undefined,
      minorityStaysDown: false,
    },
    members: {
      ...world.members,
      spares: 2,
      everyMs: 300,
      procedures: ["grow", "learn", "shrink", "removeLeader"],
    },
  };
}

/** Much is asked of queues and of many tasks at once, much fails, and leaders are lost. */
function orders(drawn: SimulationOptions): SimulationOptions {
  const { workload, versions, faults } = drawn;
  return {
    ...drawn,
    nodes: 3,
    faults: { ...faults, crashEveryMs: 4000, leaderShare: 0.7, minorityStaysDown: false },
    versions: { ...versions, oldMask: 0, rollEveryMs: NEVER, raiseEveryMs: NEVER },
    workload: {
      ...workload,
      queues: 2,
      maxRetries: 1,
      retryDelayMs: 50,
      cancelRate: 0.3,
      depthLimit: 20,
      deeds: { ...workload.deeds, fail: 6, failForGood: 3 },
      later: { extraRate: 0.7, childrenRate: 0.3, batchRate: 0.05, configureEveryMs: 1000 },
    },
  };
}

export const PROFILES = {
  /** As the seed has drawn it. */
  swarm: (drawn) => drawn,
  "short-offices": shortOffices,
  "old-leaders": oldLeaders,
  "lost-changes": lostChanges,
  orders,
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

export function profileOf(name: ProfileName): Profile {
  return PROFILES[name];
}
