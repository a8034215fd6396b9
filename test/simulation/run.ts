/**
 * The command line of the simulator.
 *
 *   npm run sim -- --seed 7              one seed; on failure it is run again with a trace
 *   npm run sim -- --seed 7 --trace      one seed, every event printed as it happens
 *   npm run sim -- --seeds 1-2000        many, and a summary
 *   npm run sim -- --seeds 1-2000 --jobs 2   the same in two processes
 *
 * Exit status 0: no violation; 1: at least one; 64: the command line makes no sense.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runSeed, type SeedResult } from "./run-seed.ts";
import { emptySummary, printSummary, type Summary, takeIn } from "./summary.ts";

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
    },
  });
  if (values.seed !== undefined) return runOne(parseRange(values.seed).first, values.trace);
  const range = parseRange(values.seeds ?? "1-100");
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs ${values.jobs}: not a number`);
  const started = performance.now();
  const summary = emptySummary();
  if (jobs === 1) for (const seed of seedsOf(range, 0, 1)) report(summary, runSeed(seed));
  else await runJobs(range, jobs, summary);
  printSummary(summary, performance.now() - started);
  return summary.violations.length === 0 ? 0 : 1;
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

function* seedsOf({ first, last }: Range, offset: number, step: number): Generator<number> {
  for (let seed = first + offset; seed <= last; seed += step) yield seed;
}

function runOne(seed: number, live: boolean): number {
  let result = runSeed(seed, { keep: live, live });
  if (result.violation !== undefined && !live) result = runSeed(seed, { keep: true, live: false });
  const { violation, trace, simulatedMs, cpuMs, entries, tasks } = result;
  if (violation !== undefined) {
    if (!live) for (const line of trace) console.log(line);
    console.log(`seed ${seed} broke ${violation.message}`);
    return 1;
  }
  const ratio = Math.round(simulatedMs / cpuMs);
  console.log(
    `seed ${seed} holds: ${(simulatedMs / 1000).toFixed(0)} s simulated, ${ratio} x real time, ` +
      `${entries} entries, ${tasks} tasks`,
  );
  return 0;
}

function report(summary: Summary, result: SeedResult): void {
  takeIn(summary, result);
  if (result.violation !== undefined) {
    console.log(`seed ${result.seed} broke ${result.violation.message.slice(0, 500)}`);
  }
}

/** Child processes take every nth seed and send their results. */
async function runJobs(range: Range, jobs: number, summary: Summary): Promise<void> {
  const children = Array.from({ length: jobs }, (_, at) => {
    const child = fork(fileURLToPath(import.meta.url), [], {
      env: { ...process.env, SIMULATION_JOB: JSON.stringify({ ...range, at, jobs }) },
    });
    child.on("message", (result) => report(summary, result as SeedResult));
    return new Promise<void>((resolve, reject) => {
      child.on("exit", (code) => {
        if (code === 0) resolve();
        else reject(new Error(`a job ended with status ${code}`));
      });
    });
  });
  await Promise.all(children);
}

function runAsJob(job: string): void {
  const { first, last, at, jobs } = JSON.parse(job) as Range & { at: number; jobs: number };
  for (const seed of seedsOf({ first, last }, at, jobs)) process.send!(runSeed(seed));
  process.disconnect();
}

const job = process.env["SIMULATION_JOB"];
if (job !== undefined) {
  runAsJob(job);
} else {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 64;
  }
}
