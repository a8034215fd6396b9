/**
 * Does the simulator still notice what it is there for? Faults are planted and must be found, and
 * what was found must shrink to a few events that find it again.
 */
import { describe, expect, test } from "vitest";
import { calm } from "./calm.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { parseRecipe, runRecipe } from "./recipe.ts";
import { optionsOf, run } from "./run-seed.ts";
import { describeShrunk, shrink } from "./shrink.ts";
import { EVERYTHING, NO_TRACE, Simulator } from "./simulator.ts";

const PATIENCE_MS = 10 * 60_000;
const SEEDS_MAX = 20;
/** Faults, and deeds of clients, that are left of what was found. */
const FEW = 6;
const SHRUNK_MAX = 8;

/** The first seed from this one on that notices. */
function firstToNotice(mutant: Mutant, wanted: string, from = 1): number {
  for (let seed = from; seed < from + SEEDS_MAX; seed++) {
    const { violation } = run(seed, { planted: MUTANTS[mutant] });
    if (violation?.invariant === wanted) return seed;
  }
  throw new Error(`${mutant} is not noticed in ${SEEDS_MAX} seeds`);
}

/** Of those that notice; some take more runs to shrink than a test has time for. */
function firstToShrink(mutant: Mutant, wanted: string) {
  const planted = MUTANTS[mutant];
  let from = 1;
  for (let left = SHRUNK_MAX; left > 0; left--) {
    const seed = firstToNotice(mutant, wanted, from);
    const shrunk = shrink({ seed }, { planted, runsMax: 150 })!;
    const { faults, recipe } = shrunk;
    if (faults.length <= FEW && (recipe.deeds?.length ?? Number.POSITIVE_INFINITY) <= FEW)
      return { seed, shrunk };
    from = seed + 1;
  }
  throw new Error(`${mutant} does not shrink to ${FEW} faults and deeds in ${SHRUNK_MAX} seeds`);
}

describe("planted faults", () => {
  const patience = { timeout: PATIENCE_MS };

  test("messages that leave before the disk is written are noticed", patience, () => {
    expect(firstToNotice("acknowledges-early", "persist before speak")).toBeGreaterThan(0);
  });

  test("reads that are served at once are noticed", patience, () => {
    expect(firstToNotice("reads-at-once", "linearizable read")).toBeGreaterThan(0);
  });

  test("votes for anybody shrink to a few events, which break it again", patience, () => {
    const planted = MUTANTS["votes-for-anybody"];
    const { seed, shrunk } = firstToShrink("votes-for-anybody", "leader completeness");
    expect(shrunk.violation.invariant).toBe("leader completeness");
    const { plan } = run(seed, { options: { ...optionsOf(seed), livenessMs: 0 } });
    expect(shrunk.faults.length).toBeLessThan(plan.length);

    const read = parseRecipe(JSON.stringify(shrunk.recipe));
    expect(runRecipe(read, { planted }).violation).toEqual(shrunk.violation);
    expect(describeShrunk(shrunk)).toContain(`npm run sim -- --seed ${seed} --keep`);
    expect(runRecipe(read).violation).toBeUndefined();
  });

  test("a node whose state is not the leader's stops", patience, () => {
    const planted = MUTANTS["diverged-node"];
    const simulator = new Simulator(1, calm(), NO_TRACE, EVERYTHING, planted);
    // The node never comes back, so the cluster cannot come to rest with all its members.
    expect(() => simulator.run()).toThrow("nodes agree");
    expect(simulator.inspector.divergences).toEqual(["node2"]);
    expect(simulator.nodes[1]!.isRetired).toBe(true);
  });
});

describe("recipes", () => {
  test("a recipe without a seed, or with an unknown simplification, is refused", () => {
    expect(() => parseRecipe("{}")).toThrow("seed");
    expect(() => parseRecipe('{"seed":1,"simplified":["nonsense"]}')).toThrow("nonsense");
  });

  test("nothing is left of a seed that holds", () => {
    expect(shrink({ seed: 0 })).toBeUndefined();
  });
});
