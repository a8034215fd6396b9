/**
 * What of a seed is to happen, as it is written in a file or on a command line: which faults of its
 * plan, which deeds of its clients, and which simplifications of its world. A failing seed shrinks
 * to one of these.
 */
import type { SimulationOptions } from "./options.ts";
import { PROFILES, type ProfileName } from "./profiles.ts";
import { optionsOf, type Run, type RunOptions, run } from "./run-seed.ts";
import { SIMPLIFICATIONS, type Simplification } from "./simplify.ts";
import type { Selection } from "./simulator.ts";

export interface Recipe {
  readonly seed: number;
  /** What its world is about; undefined: what the seed says. */
  readonly profile?: ProfileName | undefined;
  /** Numbers of the plan's faults; undefined: all. */
  readonly faults?: readonly number[] | undefined;
  /** Names of clients' deeds; undefined: all. */
  readonly deeds?: readonly string[] | undefined;
  readonly simplified?: readonly Simplification[] | undefined;
  /** Faults and load end here, ms of virtual time. */
  readonly untilMs?: number | undefined;
}

export function runRecipe(recipe: Recipe, how: Omit<RunOptions, "selection"> = {}): Run {
  const options = optionsFor(recipe, how.options ?? optionsOf(recipe.seed, recipe.profile));
  return run(recipe.seed, { ...how, options, selection: selectionOf(recipe) });
}

function optionsFor({ simplified = [], untilMs }: Recipe, full: SimulationOptions) {
  let options = full;
  for (const name of simplified) options = SIMPLIFICATIONS[name](options);
  return untilMs === undefined ? options : { ...options, safetyMs: untilMs };
}

function selectionOf({ faults, deeds, untilMs }: Recipe): Selection {
  const wantedFaults = faults === undefined ? undefined : new Set(faults);
  const wantedDeeds = deeds === undefined ? undefined : new Set(deeds);
  return {
    faults: ({ id, at }) => {
      return (wantedFaults?.has(id) ?? true) && (untilMs === undefined || at <= untilMs);
    },
    deeds: (deed) => wantedDeeds?.has(deed) ?? true,
  };
}

/** As it is written in a file; an error says what is wrong with it. */
export function parseRecipe(text: string): Recipe {
  const parsed = JSON.parse(text) as Partial<Recipe>;
  if (!Number.isInteger(parsed.seed)) throw new Error("a recipe needs a whole number as its seed");
  for (const name of parsed.simplified ?? []) {
    if (!(name in SIMPLIFICATIONS)) throw new Error(`there is no simplification "${name}"`);
  }
  const { profile } = parsed;
  if (profile !== undefined && !(profile in PROFILES)) {
    const known = Object.keys(PROFILES).join(", ");
    throw new Error(`there is no profile "${profile}"; those are ${known}`);
  }
  return parsed as Recipe;
}

/** The shortest command that runs it again. */
export function commandOf({ seed, profile, faults, deeds, simplified, untilMs }: Recipe): string {
  const words = [`npm run sim -- --seed ${seed}`];
  if (profile !== undefined) words.push(`--profile ${profile}`);
  if (faults !== undefined) words.push(`--keep ${faults.length === 0 ? "none" : faults.join(",")}`);
  if (deeds !== undefined) words.push(`--deeds ${deeds.length === 0 ? "none" : deeds.join(",")}`);
  if (simplified !== undefined && simplified.length > 0) {
    words.push(`--simplified ${simplified.join(",")}`);
  }
  if (untilMs !== undefined) words.push(`--until ${untilMs}`);
  return words.join(" ");
}
