/**
 * Makes a failing seed small: tries again and again with less, and keeps what still breaks the same
 * invariant. First the end is brought forward, then the world made simpler, then faults and deeds
 * are left out by delta debugging (Zeller and Hildebrandt 2002): halves, quarters, ... single ones.
 */
import type { Fault } from "./deeds.ts";
import { describeFault } from "./plan.ts";
import { commandOf, type Recipe, runRecipe } from "./recipe.ts";
import type { Run, RunOptions } from "./run-seed.ts";
import { SIMPLIFICATIONS, type Simplification } from "./simplify.ts";

export interface Shrunk {
  readonly recipe: Recipe;
  readonly violation: NonNullable<Run["violation"]>;
  /** Those that are left, in their order. */
  readonly faults: readonly Fault[];
  readonly runs: number;
}

export interface ShrinkOptions extends Omit<RunOptions, "selection" | "trace"> {
  readonly runsMax?: number;
  /** Says how long it may go on. */
  readonly mayGoOn?: () => boolean;
}

const RUNS_MAX = 600;
/** A run that is a little longer than it took to fail may fail as well. */
const AFTERWARDS_MS = 1;

export function shrink(recipe: Recipe, options: ShrinkOptions = {}): Shrunk | undefined {
  return new Shrinker(options).shrink(recipe);
}

class Shrinker {
  readonly #options: ShrinkOptions;
  #runs = 0;
  #best: { readonly recipe: Recipe; readonly run: Run } | undefined;

  constructor(options: ShrinkOptions) {
    this.#options = options;
  }

  /** undefined: it does not fail at all. */
  shrink(recipe: Recipe): Shrunk | undefined {
    const first = this.#run(recipe);
    if (first.violation === undefined) return undefined;
    this.#best = { recipe, run: first };
    if (first.violation.invariant === "liveness") this.#try({ simplified: ["short-patience"] });
    this.#bringForward();
    this.#leaveOutDeeds();
    this.#leaveOutFaults();
    this.#simplify();
    this.#leaveOutFaults();
    this.#leaveOutDeeds();
    this.#bringForward();
    const { recipe: smallest, run } = this.#best;
    const kept = new Set(smallest.faults);
    const { untilMs = Number.POSITIVE_INFINITY } = smallest;
    const faults = run.plan.filter(({ id, at }) => {
      return (smallest.faults === undefined || kept.has(id)) && at <= untilMs;
    });
    return { recipe: smallest, violation: run.violation!, faults, runs: this.#runs };
  }

  #run(recipe: Recipe): Run {
    this.#runs++;
    return runRecipe(recipe, this.#options);
  }

  /** Keeps the change if the same invariant still breaks. */
  #try(change: Partial<Recipe>): boolean {
    const { runsMax = RUNS_MAX, mayGoOn = () => true } = this.#options;
    if (this.#runs >= runsMax || !mayGoOn()) return false;
    const { recipe, run } = this.#best!;
    const next = { ...recipe, ...change };
    const result = this.#run(next);
    if (result.violation?.invariant !== run.violation!.invariant) return false;
    this.#best = { recipe: next, run: result };
    return true;
  }

  /** A failure that shows when all should have come to rest may need only part of the faults. */
  #bringForward(): void {
    const { run } = this.#best!;
    this.#try({ untilMs: Math.ceil(run.simulatedMs) + AFTERWARDS_MS });
    for (let factor = 0.5; factor < 0.95; factor += (1 - factor) / 2) {
      const { recipe } = this.#best!;
      if (recipe.untilMs !== undefined) this.#try({ untilMs: Math.ceil(recipe.untilMs * factor) });
    }
  }

  #simplify(): void {
    for (const name of Object.keys(SIMPLIFICATIONS) as Simplification[]) {
      const { simplified = [] } = this.#best!.recipe;
      if (!simplified.includes(name)) this.#try({ simplified: [...simplified, name] });
    }
  }

  #leaveOutFaults(): void {
    const { recipe, run } = this.#best!;
    const { untilMs = Number.POSITIVE_INFINITY } = recipe;
    const planned = run.plan.filter(({ at }) => at <= untilMs).map(({ id }) => id);
    const all = recipe.faults ?? planned;
    this.#minimise(all, (faults) => this.#try({ faults }));
  }

  #leaveOutDeeds(): void {
    this.#minimise(this.#best!.run.deeds, (deeds) => this.#try({ deeds }));
  }

  /** Delta debugging: `keep` says whether it still fails with these only. */
  #minimise<T>(all: readonly T[], keep: (some: readonly T[]) => boolean): void {
    if (all.length === 0 || keep([])) return;
    let items = all;
    let parts = 2;
    while (items.length > 1) {
      const size = Math.ceil(items.length / parts);
      const smaller = this.#smaller(items, size, keep);
      if (smaller !== undefined) {
        items = smaller;
        parts = Math.max(2, parts - 1);
      } else if (size === 1) {
        return;
      } else {
        parts = Math.min(items.length, parts * 2);
      }
    }
  }

  /** Without one part of this size. */
  #smaller<T>(
    items: readonly T[],
    size: number,
    keep: (some: readonly T[]) => boolean,
  ): readonly T[] | undefined {
    for (let from = 0; from < items.length; from += size) {
      const rest = [...items.slice(0, from), ...items.slice(from + size)];
      if (keep(rest)) return rest;
    }
    return undefined;
  }
}

/** For a person. */
export function describeShrunk({ recipe, violation, faults, runs }: Shrunk): string {
  const { deeds, simplified } = recipe;
  const lines = [
    `seed ${recipe.seed} broke ${violation.message.slice(0, 600)}`,
    `after ${runs} runs these faults are left:`,
    ...faults.map(describeFault),
    faults.length === 0 ? "  none" : "",
    `deeds of clients: ${deeds === undefined ? "all" : deeds.join(" ") || "none"}`,
    `the world: ${simplified === undefined ? "as drawn" : simplified.join(", ")}`,
    `again: ${commandOf(recipe)}`,
  ];
  return lines.filter((line) => line !== "").join("\n");
}
