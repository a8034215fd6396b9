/**
 * The simulator as part of the tests: known seeds, and fresh ones that follow from the commit, so
 * that every commit looks somewhere new and still can be repeated. The fresh ones run in processes
 * of their own, which are watched: an endless loop fails its seed and hangs nothing.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { REGRESSIONS } from "./regressions.ts";
import { runSeed } from "./run-seed.ts";
import { emptySummary, missing, takeIn } from "./summary.ts";

const FRESH_SEEDS = 200;
/** The rarest situations occur in one seed of fifty: it goes on this far for one that is missing. */
const FRESH_SEEDS_MAX = 1_000;
const FALLBACK_START = 1_000_000;
/** In all; a machine with other work to do may be many times slower than a free one. */
const PATIENCE_MS = 30 * 60_000;
const JOBS = 2;

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const COMPILER = fileURLToPath(import.meta.resolve("typescript/package.json"));
type Jobs = typeof import("./jobs.ts");

/** The compiled simulator: processes of its own cannot run its sources. */
async function compiledJobs(): Promise<Jobs> {
  const compiler = COMPILER.replace("package.json", "bin/tsc");
  execFileSync(process.execPath, [compiler, "-p", FOLDER], { stdio: "inherit" });
  return (await import(`${FOLDER}dist/test/simulation/jobs.js`)) as Jobs;
}

/** Where the fresh seeds of this commit begin. */
function firstFreshSeed(): number {
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    return Number.parseInt(commit.toString().slice(0, 7), 16);
  } catch {
    return FALLBACK_START;
  }
}

describe("simulation", () => {
  let jobs: Jobs;
  beforeAll(async () => {
    jobs = await compiledJobs();
  });

  for (const { seed, note } of REGRESSIONS) {
    test(`seed ${seed}: ${note}`, { timeout: PATIENCE_MS }, () => {
      expect(runSeed(seed).violation).toBeUndefined();
    });
  }

  test("a seed gives the same run each time", { timeout: PATIENCE_MS }, () => {
    const [first, again] = [runSeed(7), runSeed(7)];
    expect({ ...again, cpuMs: 0 }).toEqual({ ...first, cpuMs: 0 });
  });

  test("an endless loop fails its seed, and the next one runs", async () => {
    const results: (string | undefined)[] = [];
    await jobs.runJobs({
      jobs: 1,
      seeds: [1, 2].values(),
      patienceMs: 5000,
      mutant: "spins",
      onResult: ({ violation }) => results.push(violation?.invariant),
    });
    expect(results).toEqual(["watchdog", "watchdog"]);
  });

  const first = firstFreshSeed();
  const title = `${FRESH_SEEDS} seeds from ${first} on hold, and meet every situation`;
  test(title, { timeout: PATIENCE_MS }, async () => {
    const summary = emptySummary();
    function* seeds(): Generator<number> {
      for (let count = 0; count < FRESH_SEEDS_MAX; count++) {
        const isEnough = missing(summary).length === 0 || summary.violations.length > 0;
        if (count >= FRESH_SEEDS && isEnough) return;
        yield first + count;
      }
    }
    await jobs.runJobs({
      jobs: JOBS,
      seeds: seeds(),
      onResult: (result) => takeIn(summary, result),
    });
    const broken = summary.violations.map(({ seed, violation }) => ({ seed, violation }));
    expect(broken).toEqual([]);
    expect(missing(summary)).toEqual([]);
  });
});
