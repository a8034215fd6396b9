/**
 * The command line of the simulator.
 *
 *   npm run sim -- --seed 7                  one seed; a failure is run again with a trace
 *   npm run sim -- --seed 7 --trace          one seed, every event printed as it happens
 *   npm run sim -- --seed 7 --shrink         a failure is reduced to a short list of events
 *   npm run sim -- --seed 7 --keep 3,9       with these faults of its plan only; also --deeds,
 *                                            --simplified and --until, as shrinking prints them
 *   npm run sim -- --recipe failure.json     the same from a file
 *   npm run sim -- --profile damage --seed 7 the same in a world that is about that
 *   npm run sim -- --seeds 1-2000 --jobs 2   many, in two processes, and a summary
 *
 * Exit status 0: no violation; 1: at least one; 64: the command line makes no sense.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type JobsOptions, runJobs } from "./jobs.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { PROFILES, type ProfileName } from "./profiles.ts";
import { parseRecipe, type Recipe, runRecipe } from "./recipe.ts";
import type { SeedResult } from "./run-seed.ts";
import { describeShrunk, shrink } from "./shrink.ts";
import { emptySummary, printSummary, takeIn } from "./summary.ts";

interface Range {
  readonly first: number;
  readonly last: number;
}

const SEED_MAX = 0xffff_ffff;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      jobs: { type: "string", default: "1" },
      trace: { type: "boolean", default: false },
      shrink: { type: "boolean", default: false },
      keep: { type: "string" },
      deeds: { type: "string" },
      simplified: { type: "string" },
      until: { type: "string" },
      recipe: { type: "string" },
      planted: { type: "string" },
      profile: { type: "string" },
    },
  });
  const mutant = mutantOf(values.planted);
  const profile = profileOf(values.profile);
  if (values.recipe !== undefined) {
    const recipe = parseRecipe(readFileSync(values.recipe, "utf8"));
    return runOne(recipe, values.trace, values.shrink, mutant);
  }
  if (values.seed !== undefined) {
    const recipe = parseRecipe(
      JSON.stringify({
        seed: parseRange(values.seed).first,
        profile,
        faults: listOf(values.keep)?.map(Number),
        deeds: listOf(values.deeds),
        simplified: listOf(values.simplified),
        untilMs: values.until === undefined ? undefined : Number(values.until),
      }),
    );
    return runOne(recipe, values.trace, values.shrink, mutant);
  }
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs ${values.jobs}: not a number`);
  const range = parseRange(values.seeds ?? "1-100");
  return runMany(range, { jobs, shrinkMs: values.shrink ? 120_000 : 0, mutant, profile });
}

function mutantOf(name: string | undefined): Mutant | undefined {
  if (name === undefined || name in MUTANTS) return name as Mutant | undefined;
  throw new Error(`--planted ${name}: there are ${Object.keys(MUTANTS).join(", ")}`);
}

function profileOf(name: string | undefined): ProfileName | undefined {
  if (name === undefined || name in PROFILES) return name as ProfileName | undefined;
  throw new Error(`--profile ${name}: there are ${Object.keys(PROFILES).join(", ")}`);
}

function parseRange(text: string): Range {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || last < first || last > SEED_MAX) {
    throw new Error(`seeds are written like 7 or 1-2000, up to ${SEED_MAX}: not ${text}`);
  }
  return { first, last };
}

function listOf(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  return text === "none" ? [] : text.split(",");
}

function runOne(recipe: Recipe, live: boolean, isShrunk: boolean, mutant?: Mutant): number {
  const planted = mutant === undefined ? {} : MUTANTS[mutant];
  let result = runRecipe(recipe, { planted, trace: { keep: live, live } });
  if (result.violation === undefined) {
    printHeld(result);
    return 0;
  }
  if (isShrunk) {
    console.log(describeShrunk(shrink(recipe, { planted })!));
    return 1;
  }
  if (!live) {
    result = runRecipe(recipe, { planted, trace: { keep: true, live: false } });
    for (const line of result.trace) console.log(line);
  }
  console.log(`seed ${recipe.seed} broke ${result.violation?.message}`);
  return 1;
}

function printHeld({ seed, simulatedMs, cpuMs, entries, tasks }: SeedResult): void {
  const ratio = Math.round(simulatedMs / cpuMs);
  console.log(
    `seed ${seed} holds: ${(simulatedMs / 1000).toFixed(0)} s simulated, ${ratio} x real time, ` +
      `${entries} entries, ${tasks} tasks`,
  );
}

async function runMany(
  range: Range,
  how: Pick<JobsOptions, "jobs" | "shrinkMs" | "mutant" | "profile">,
) {
  const started = performance.now();
  const summary = emptySummary();
  await runJobs({
    ...how,
    seeds: seedsOf(range),
    onResult: (result) => {
      takeIn(summary, result);
      if (result.violation === undefined) return;
      console.log(`seed ${result.seed} broke ${result.violation.message.slice(0, 500)}`);
    },
    onShrunk: (_seed, text) => console.log(text),
  });
  printSummary(summary, performance.now() - started);
  return summary.violations.length === 0 ? 0 : 1;
}

function* seedsOf({ first, last }: Range): Generator<number> {
  for (let seed = first; seed <= last; seed++) yield seed;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 64;
}
