/** What the parts of a plan draw their deeds with. */
import type { Aim, FaultDeed } from "./deeds.ts";
import type { Range } from "./options.ts";
import type { Random } from "./random.ts";

/** Draws deeds of one kind, on average one every `meanMs`. */
export type Add = (name: string, meanMs: number, deed: (random: Random) => FaultDeed) => void;

export function aimAt(random: Random, leaderShare: number): Aim {
  return { leader: random.chance(leaderShare), share: random.float() };
}

export function within(random: Random, { min, max }: Range): number {
  return random.between(min, max);
}

/** Each of the others with this chance. */
export function mask(random: Random, share: number): number {
  let bits = 0;
  for (let bit = 0; bit < 16; bit++) if (random.chance(share)) bits |= 1 << bit;
  return bits;
}
