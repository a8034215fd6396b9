/**
 * The command line of the mutants: plants each in a copy of the tree and sees that it is noticed.
 *
 *   npm run mutants                          all of them, 200 seeds each where the simulator kills
 *   npm run mutants -- --only a,b            these only
 *   npm run mutants -- --jobs 2              two at a time, in two copies
 *   npm run mutants -- --seeds 50            another budget of seeds
 *   npm run mutants -- --soak                up to 5000 seeds, also for those that need so many
 *   npm run mutants -- --table               writes the result into test/simulation/README.md
 *   npm run mutants -- --json FILE           writes it there
 *
 * Exit status 0: all are killed, by all who should; 1: not so; 64: the command line makes no sense.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { MUTANTS } from "./catalogue.ts";
import { type Mutant, SEEDS } from "./mutant.ts";
import { describeTrial, withTable } from "./report.ts";
import { type Budget, isFine, isKilled, Pristine, type Trial, tryMutant } from "./trial.ts";
import { WorkingCopy } from "./working-copy.ts";

const README = "test/simulation/README.md";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      jobs: { type: "string", default: "1" },
      seeds: { type: "string", default: String(SEEDS) },
      soak: { type: "boolean", default: false },
      table: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  if (!existsSync(README)) throw new Error(`run this in the root of the tree: no ${README} here`);
  const mutants = chosen(values.only);
  const budget = { seeds: wholeNumber("seeds", values.seeds), soak: values.soak };
  const trials = await tryAll(mutants, wholeNumber("jobs", values.jobs), budget);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(trials, null, 2)}\n`);
  if (values.table) {
    writeFileSync(README, withTable(readFileSync(README, "utf8"), MUTANTS, trials));
  }
  const killed = trials.filter(isKilled);
  const odd = trials.filter((trial) => !isFine(trial));
  console.log(`\n${killed.length} of ${trials.length} mutants killed`);
  if (odd.length > 0) console.log(`not as wanted: ${odd.map(({ id }) => id).join(", ")}`);
  return odd.length === 0 ? 0 : 1;
}

function chosen(only: string | undefined): readonly Mutant[] {
  if (only === undefined) return MUTANTS;
  return only.split(",").map((id) => {
    const mutant = MUTANTS.find((each) => each.id === id);
    if (mutant === undefined) throw new Error(`--only ${id}: there is no such mutant`);
    return mutant;
  });
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`--${name} ${text}: must be a whole number from 1`);
}

async function tryAll(
  mutants: readonly Mutant[],
  jobs: number,
  budget: Budget,
): Promise<readonly Trial[]> {
  const copies: WorkingCopy[] = [];
  const removeAll = (): void => {
    for (const copy of copies) copy.remove();
  };
  process.once("exit", removeAll);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const trials: Trial[] = [];
  try {
    for (let at = 0; at <= jobs; at++) copies.push(await WorkingCopy.make(process.cwd()));
    const [first, ...others] = copies;
    const pristine = new Pristine(first as WorkingCopy);
    const waiting = [...mutants];
    const work = async (copy: WorkingCopy): Promise<void> => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const trial = await tryMutant(mutant, copy, pristine, budget);
        trials.push(trial);
        console.log(describeTrial(trial));
      }
    };
    await Promise.all(others.map(work));
  } finally {
    process.off("exit", removeAll);
    removeAll();
  }
  return trials;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 64;
}
