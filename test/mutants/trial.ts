/**
 * Tries one mutant: plants it in a working copy, compiles, and sends all its killers after it. What
 * a killer finds counts only if the same seed, or the same tests, pass without the mutant.
 */
import { type Killer, type Mutant, SEEDS, SOAK_SEEDS, type TestKiller } from "./mutant.ts";
import type { ProfileName } from "./profiles.ts";
import { firstBroken } from "./seeds.ts";
import { runTest } from "./test-run.ts";
import type { WorkingCopy } from "./working-copy.ts";

export type Verdict =
  | {
      readonly kind: "killed";
      /** An invariant of the simulator, or a test. */
      readonly by: string;
      readonly seed: number | undefined;
      readonly message: string;
    }
  | { readonly kind: "survived"; readonly seeds: number | undefined }
  /** It needs more seeds than this run has. */
  | { readonly kind: "skipped" }
  | { readonly kind: "error"; readonly message: string };

export interface Trial {
  readonly id: string;
  /** It could not be planted. */
  readonly error: string | undefined;
  readonly verdicts: readonly { readonly killer: Killer; readonly verdict: Verdict }[];
  readonly ms: number;
}

export interface Budget {
  /** For killers that do not ask for more. */
  readonly seeds: number;
  readonly soak: boolean;
}

/** The tree as it is: what fails there proves nothing. */
export class Pristine {
  readonly #copy: WorkingCopy;
  readonly #held = new Map<string, Promise<string | undefined>>();
  /** One at a time, for all that run beside each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(copy: WorkingCopy) {
    this.#copy = copy;
  }

  /** Why that seed does not hold; undefined: it does. */
  seed(profile: ProfileName, seed: number): Promise<string | undefined> {
    return this.#once(`${profile} ${seed}`, async () => {
      const broken = await firstBroken(this.#copy.root, { profile, first: seed, last: seed });
      return broken && `seed ${seed} breaks without the mutant, too: ${broken.message}`;
    });
  }

  test(killer: TestKiller): Promise<string | undefined> {
    return this.#once(`${killer.file} ${killer.name ?? ""}`, async () => {
      const outcome = await runTest(this.#copy.root, killer);
      if (outcome.kind === "passed") return undefined;
      const what = outcome.kind === "watchdog" ? "watchdog" : outcome.message;
      return `${killer.file} does not pass without the mutant: ${what}`;
    });
  }

  #once(key: string, look: () => Promise<string | undefined>): Promise<string | undefined> {
    const known = this.#held.get(key);
    if (known !== undefined) return known;
    const found = this.#last.then(look);
    this.#held.set(key, found);
    this.#last = found;
    return found;
  }
}

export async function tryMutant(
  mutant: Mutant,
  copy: WorkingCopy,
  pristine: Pristine,
  budget: Budget,
): Promise<Trial> {
  const started = performance.now();
  const verdicts: Trial["verdicts"][number][] = [];
  let error = copy.apply(mutant.edits);
  if (error === undefined) {
    error = await copy.compile(mutant.killers.some(({ kind }) => kind === "simulation"));
    for (const killer of error === undefined ? mutant.killers : []) {
      verdicts.push({ killer, verdict: await judge(killer, copy, pristine, budget) });
    }
    copy.restore();
  }
  return { id: mutant.id, error, verdicts, ms: performance.now() - started };
}

function judge(
  killer: Killer,
  copy: WorkingCopy,
  pristine: Pristine,
  budget: Budget,
): Promise<Verdict> {
  return killer.kind === "test"
    ? judgeByTest(killer, copy, pristine)
    : judgeBySeeds(killer, copy, pristine, budget);
}

async function judgeByTest(
  killer: TestKiller,
  copy: WorkingCopy,
  pristine: Pristine,
): Promise<Verdict> {
  const outcome = await runTest(copy.root, killer);
  if (outcome.kind === "passed") return { kind: "survived", seeds: undefined };
  if (outcome.kind === "error") return outcome;
  const excuse = await pristine.test(killer);
  if (excuse !== undefined) return { kind: "error", message: excuse };
  const isLate = outcome.kind === "watchdog";
  const by = isLate ? "watchdog" : outcome.test;
  return { kind: "killed", by, seed: undefined, message: isLate ? "" : outcome.message };
}

async function judgeBySeeds(
  killer: Extract<Killer, { readonly kind: "simulation" }>,
  copy: WorkingCopy,
  pristine: Pristine,
  { seeds, soak }: Budget,
): Promise<Verdict> {
  if (killer.seeds !== undefined && !soak) return { kind: "skipped" };
  const last = soak ? Math.max(seeds, killer.seeds ?? SOAK_SEEDS) : seeds;
  const profile = killer.profile ?? "swarm";
  const broken = await firstBroken(copy.root, { profile, first: 1, last });
  if (broken?.invariant === undefined) return { kind: "survived", seeds: last };
  const excuse = await pristine.seed(profile, broken.seed);
  if (excuse !== undefined) return { kind: "error", message: excuse };
  const { seed, message, invariant } = broken;
  return { kind: "killed", by: invariant, seed, message };
}

export const DEFAULT_BUDGET: Budget = { seeds: SEEDS, soak: false };

export function isKilled({ verdicts }: Trial): boolean {
  return verdicts.some(({ verdict }) => verdict.kind === "killed");
}

/** Killed, and by all who should. */
export function isFine(trial: Trial): boolean {
  const { error, verdicts } = trial;
  const isWanted = ({ verdict: { kind } }: Trial["verdicts"][number]): boolean => {
    return kind === "killed" || kind === "skipped";
  };
  return error === undefined && isKilled(trial) && verdicts.every(isWanted);
}
