/**
 * A process that runs seeds for a parent, one after the other, as they are sent to it. The parent
 * kills it when it does not answer in time: nothing in here could notice an endless loop.
 */
import { MUTANTS, type Mutant } from "./mutants.ts";
import { type Recipe, runRecipe } from "./recipe.ts";
import type { SeedResult } from "./run-seed.ts";
import { describeShrunk, shrink } from "./shrink.ts";

export interface Order {
  readonly kind: "run" | "shrink";
  readonly recipe: Recipe;
  readonly mutant?: Mutant | undefined;
  /** How long it may shrink, of wall time. */
  readonly shrinkMs?: number;
}

export type Report =
  | { readonly kind: "result"; readonly result: SeedResult }
  | { readonly kind: "shrunk"; readonly text: string };

export function perform({ kind, recipe, mutant, shrinkMs = 60_000 }: Order): Report {
  const planted = mutant === undefined ? {} : MUTANTS[mutant];
  if (kind === "run") {
    const { plan: _plan, deeds: _deeds, ...result } = runRecipe(recipe, { planted });
    return { kind: "result", result };
  }
  const end = performance.now() + shrinkMs;
  const shrunk = shrink(recipe, { planted, mayGoOn: () => performance.now() < end });
  const text = shrunk === undefined ? "it does not fail any more" : describeShrunk(shrunk);
  return { kind: "shrunk", text };
}

if (process.env["SIMULATION_JOB"] !== undefined) {
  process.on("message", (order) => process.send!(perform(order as Order)));
  process.on("disconnect", () => process.exit());
}
