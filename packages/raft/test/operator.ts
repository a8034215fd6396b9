/**
 * An operator of a simulated cluster who cannot sit still: adds, promotes, demotes and removes
 * members at random, the leader itself not excepted. All that is asked for is legal, mostly.
 */
import type { Membership, NodeId } from "../src/index.ts";

/** A membership that differs from the present one by one member. */
export function randomChange(
  { voters, learners }: Membership,
  everybody: readonly NodeId[],
  random: () => number,
): Membership {
  const pick = everybody[Math.floor(random() * everybody.length)]!;
  const without = (ids: readonly NodeId[]) => ids.filter((id) => id !== pick);
  const withIt = (ids: readonly NodeId[]) => [...ids, pick].sort(byName);
  if (voters.includes(pick)) {
    // The cluster should grow again, sooner or later.
    if (voters.length === 1 || random() < 0.5) return { voters, learners };
    const next = random() < 0.3 ? withIt(learners) : learners;
    return { voters: without(voters), learners: next };
  }
  if (!learners.includes(pick)) return { voters, learners: withIt(learners) };
  if (random() < 0.2) return { voters, learners: without(learners) };
  return { voters: withIt(voters), learners: without(learners) };
}

function byName(a: NodeId, b: NodeId): number {
  return a < b ? -1 : 1;
}
