/**
 * Worlds that are about one thing. What needs several rare events in a row is met once in hundreds
 * of seeds if left to chance; here the swarm's draw is bent towards it. A seed has one of these
 * profiles or none, and everything else stays as it was drawn.
 */
import { calm } from "./calm.ts";
import { DAMAGES, type Damage } from "./disk-damage.ts";
import type { Label } from "./disk-steps.ts";
import { NEVER, type SimulationOptions } from "./options.ts";
import type { Random } from "./random.ts";

type Profile = (drawn: SimulationOptions, random: Random) => SimulationOptions;

export const PROFILES = {
  installs: withManyInstalls,
  damage: withDamage,
  offices: withShortOffices,
  beyond: withLostMajority,
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

/** In percent of the seeds; the others have none. */
const SHARES: readonly (readonly [ProfileName, number])[] = [
  ["installs", 24],
  ["damage", 26],
  ["offices", 8],
  ["beyond", 6],
];

export function withProfile(
  drawn: SimulationOptions,
  random: Random,
  wanted?: ProfileName,
): SimulationOptions {
  const name = wanted ?? profileOf(random);
  return name === undefined ? drawn : PROFILES[name](drawn, random.fork(name));
}

function profileOf(random: Random): ProfileName | undefined {
  let left = random.fork("profile").float() * 100;
  for (const [name, share] of SHARES) {
    left -= share;
    if (left < 0) return name;
  }
  return undefined;
}

/**
 * Members come and go, their logs are short, and nodes die in the midst of receiving their state:
 * left to chance alone, a crash between two steps of an install is met once in hundreds of seeds.
 */
function withManyInstalls(drawn: SimulationOptions, random: Random): SimulationOptions {
  const { faults, members } = drawn;
  return {
    ...drawn,
    snapshots: { entries: 0, rowsAChunk: 50 },
    faults: {
      ...faults,
      crashEveryMs: NEVER,
      powerLossEveryMs: NEVER,
      ambushEveryMs: 400,
      ambushLabels: random.pick(INSTALL_AMBUSHES),
      leaderShare: 0,
      restartMs: { min: 50, max: 1000 },
      // Both are for worlds whose members stay the same.
      minorityStaysDown: false,
      oddClockShare: undefined,
    },
    members: {
      ...members,
      spares: drawn.nodes === 5 ? 1 : 3,
      everyMs: 1500,
      procedures: ["replace", "replaceDead", "learn", "grow", "shrink"],
    },
  };
}

/** Who always dies in the first steps never comes to the last ones. */
const INSTALL_AMBUSHES: readonly (readonly Label[])[] = [
  ["staged rows", "pointer switch", "log reset", "old state delete"],
  ["log reset", "old state delete"],
  ["old state delete"],
  ["pointer switch"],
];

/** Disks lose what they hold, one after the other, and come back by way of the others. */
function withDamage(drawn: SimulationOptions, random: Random): SimulationOptions {
  const { faults, members, raft, network } = drawn;
  // Leaders are cut off while they change the members for those that come back, which takes long.
  const isHasty = random.chance(0.4);
  const kinds = random.pick(DAMAGE_SETS);
  const rotEveryMs = random.pick([NEVER, 1500, 4000]);
  return {
    ...drawn,
    nodes: random.chance(0.4) ? 5 : 3,
    network: isHasty ? { ...network, delayMs: { min: 10, max: 80 } } : network,
    // What is bad under a running process is found only by who reads it from the disk.
    raft: rotEveryMs === NEVER ? raft : { ...raft, maxTailBytes: 0 },
    faults: {
      ...faults,
      // A volume is known to be old only after several starts.
      crashEveryMs: kinds.includes("old volume") ? 2000 : faults.crashEveryMs,
      ...(isHasty ? { shortOfficeEveryMs: 2500, shortOfficeMs: 1500 } : {}),
      minorityStaysDown: false,
      oddClockShare: undefined,
    },
    members: {
      ...members,
      spares: Math.max(1, members.spares),
      everyMs: random.pick([4000, 10_000]),
      procedures: random.pick([["learn", "grow"], members.procedures]),
    },
    damage: {
      everyMs: random.pick([500, 1500, 4000]),
      kinds,
      downMs: { min: 50, max: random.pick([500, 5000]) },
      rotEveryMs,
      imageEveryMs: 4000,
      beyond: false,
    },
  };
}

const DAMAGE_SETS: readonly (readonly Damage[])[] = [
  DAMAGES,
  DAMAGES,
  ["old volume"],
  ["old copy", "copy", "identity page", "old volume"],
  ["record", "state page", "state page", "pointer"],
  ["log tail", "entry", "log page"],
];

/**
 * Leaders that are lost when one or two others have heard of them, in a cluster of five that sends
 * entry by entry: logs part again and again, and what an earlier leader left is on just a few disks
 * when the next one finds it. One half of these worlds is a storm of such offices. In the other
 * nothing else happens, for any other fault tends to undo what has to come together for Figure 3.7
 * of the dissertation.
 */
function withShortOffices(drawn: SimulationOptions, random: Random): SimulationOptions {
  const { raft } = drawn;
  const hasty = { electionTimeoutMs: 500, heartbeatIntervalMs: 50, maxMessageBytes: 1 };
  const world = { ...drawn, nodes: 5, raft: { ...raft, ...hasty } };
  return random.chance(0.5) ? withStorm(world, random) : withRelays(world, random);
}

function withStorm(world: SimulationOptions, random: Random): SimulationOptions {
  return {
    ...world,
    faults: {
      ...world.faults,
      shortOfficeEveryMs: 300,
      shortOfficeMs: random.pick([5, 20, 60]),
      shortOfficeCutShare: random.pick([0.5, 0.75]),
      ambushEveryMs: 700,
      ambushLabels: ["truncation"],
      restartMs: { min: 50, max: 1000 },
      minorityStaysDown: false,
      oddClockShare: undefined,
    },
  };
}

function withRelays(world: SimulationOptions, random: Random): SimulationOptions {
  const { network, disk, members, faults, trouble } = calm();
  const max = random.pick([2, 5, 20]);
  return {
    ...world,
    network: { ...network, delayMs: { min: max / 10, max } },
    disk,
    members,
    trouble,
    // Until the answer that tells of it has arrived, and the next entry has not.
    faults: { ...faults, relayEveryMs: 2000, relayMs: 1.6 * max },
    // Something must be in the log that is not committed.
    workload: { ...world.workload, thinkMs: 200, burstMax: 1 },
  };
}

/** A majority of the disks is damaged in the end: the cluster must halt, and lie to nobody. */
function withLostMajority(drawn: SimulationOptions): SimulationOptions {
  const { faults, damage } = drawn;
  return {
    ...drawn,
    nodes: Math.max(3, drawn.nodes),
    faults: { ...faults, minorityStaysDown: false, oddClockShare: undefined },
    damage: { ...damage, beyond: true },
  };
}
