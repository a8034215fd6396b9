/** The part of a plan that is about disks, and about binaries of two versions. */
import type { FaultDeed } from "./deeds.ts";
import type { Damage } from "./disk-damage.ts";
import type { DamageOptions, DiskTroubleOptions, VersionOptions } from "./options.ts";
import { type Add, aimAt, mask, within } from "./plan-dice.ts";
import type { Random } from "./random.ts";

/** What a start is sure to find, whatever the disk holds. */
const SURE: readonly Damage[] = ["entry", "log tail", "record", "pointer", "copy"];
const NODES_MAX = 8;

export function addTrouble(trouble: DiskTroubleOptions, leaderShare: number, add: Add): void {
  add("slowDisk", trouble.slowEveryMs, (random) => ({
    kind: "slowDisk",
    aim: aimAt(random, leaderShare),
    factor: within(random, trouble.slowFactor),
    ms: within(random, trouble.slowMs),
  }));
  add("hang", trouble.hangEveryMs, (random) => ({
    kind: "hang",
    // A follower that hangs is no more than one that is gone.
    aim: aimAt(random, 0.8),
    lane: random.pick(["log", "log", "state", "both"] as const),
    ms: within(random, trouble.hangMs),
  }));
  add("lowDisk", trouble.lowEveryMs, (random) => ({
    kind: "lowDisk",
    mask: mask(random, random.pick([0.2, 0.6, 1])),
    ms: within(random, trouble.lowMs),
  }));
}

export function addDamage(options: DamageOptions, leaderShare: number, add: Add): void {
  const { kinds, everyMs, rotEveryMs, imageEveryMs, downMs } = options;
  add("image", imageEveryMs, (random) => ({ kind: "image", aim: aimAt(random, 0) }));
  add("damage", kinds.length === 0 ? Number.POSITIVE_INFINITY : everyMs, (random) => ({
    kind: "damage",
    aim: aimAt(random, leaderShare),
    what: random.pick(kinds),
    share: random.float(),
    power: random.chance(0.3),
    downMs: within(random, downMs),
  }));
  add("rot", rotEveryMs, (random) => ({
    kind: "rot",
    aim: aimAt(random, 0.5),
    what: random.pick(["entry", "record"] as const),
    share: random.float(),
  }));
}

export function addVersions(options: VersionOptions, add: Add): void {
  const { rollEveryMs, downShare, raiseEveryMs, oldMax } = options;
  add("roll", rollEveryMs, (random) => ({
    kind: "roll",
    share: random.float(),
    to: random.chance(downShare) ? oldMax : random.pick([2, 3, 4, 4]),
    downMs: random.between(50, 1500),
  }));
  add("raise", raiseEveryMs, (random) => ({ kind: "raise", to: random.pick([2, 3, 4]) }));
}

/** Once, and late enough that there is something to lose. */
export function addBeyond(
  safetyMs: number,
  random: Random,
  draft: { at: number; deed: FaultDeed }[],
): void {
  const at = Math.round(random.between(0.5, 0.8) * safetyMs);
  const whats = Array.from({ length: NODES_MAX }, () => random.pick(SURE));
  draft.push({ at, deed: { kind: "beyond", whats, share: random.float() } });
}
