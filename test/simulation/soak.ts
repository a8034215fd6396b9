/**
 * Runs seeds until time is up, and shrinks whatever fails.
 *
 *   npm run soak -- --minutes 60 --jobs 2 --from 1000000 --out failures.txt
 *
 * Without `--from` it begins where the clock says, so that no two soaks look at the same seeds.
 * Exit status 0: no violation; 1: at least one; 64: the command line makes no sense.
 */
import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runJobs } from "./jobs.ts";
import { emptySummary, printSummary, takeIn } from "./summary.ts";

const SEED_MAX = 0xffff_ffff;
const REPORT_MS = 60_000;
const SHRINK_MS = 300_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      jobs: { type: "string", default: "2" },
      from: { type: "string" },
      out: { type: "string", default: "simulation-failures.txt" },
    },
  });
  const minutes = numberOf("--minutes", values.minutes);
  const from = numberOf("--from", values.from ?? String(Date.now() % SEED_MAX));
  const started = performance.now();
  const end = started + minutes * 60_000;
  const summary = emptySummary();
  let reported = started;
  console.log(`seeds from ${from} on, for ${minutes} minutes; failures go to ${values.out}`);
  await runJobs({
    jobs: numberOf("--jobs", values.jobs),
    seeds: seedsUntil(from, end),
    shrinkMs: SHRINK_MS,
    onResult: (result) => {
      takeIn(summary, result);
      if (result.violation !== undefined) {
        console.log(`seed ${result.seed} broke ${result.violation.message.slice(0, 300)}`);
        appendFileSync(values.out, `seed ${result.seed} broke ${result.violation.message}\n`);
      }
      if (performance.now() < reported + REPORT_MS) return;
      reported = performance.now();
      const hours = (summary.simulatedMs / 3_600_000).toFixed(1);
      const ratio = Math.round(summary.simulatedMs / summary.cpuMs);
      console.log(`${summary.seeds} seeds, ${hours} h simulated, ${ratio} x real time per core`);
    },
    onShrunk: (_seed, text) => appendFileSync(values.out, `${text}\n\n`),
  });
  printSummary(summary, performance.now() - started);
  return summary.violations.length === 0 ? 0 : 1;
}

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} ${text}: not a number above 0`);
  return value;
}

function* seedsUntil(from: number, end: number): Generator<number> {
  for (let seed = from; performance.now() < end; seed = (seed + 1) % SEED_MAX) yield seed;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 64;
}
