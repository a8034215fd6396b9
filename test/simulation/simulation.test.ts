/**
 * The simulator as part of the tests: known seeds, and fresh ones that follow from the commit,
 * so that every commit looks somewhere new and still can be repeated.
 */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { REGRESSIONS } from "./regressions.ts";
import { runSeed } from "./run-seed.ts";
import { emptySummary, missing, takeIn } from "./summary.ts";

const FRESH_SEEDS = 200;
const FALLBACK_START = 1_000_000;
/** In all; a machine with other work to do may be many times slower than a free one. */
const PATIENCE_MS = 30 * 60_000;

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
  for (const { seed, note } of REGRESSIONS) {
    test(`seed ${seed}: ${note}`, { timeout: PATIENCE_MS }, () => {
      expect(runSeed(seed).violation).toBeUndefined();
    });
  }

  test("a seed gives the same run each time", { timeout: PATIENCE_MS }, () => {
    const [first, again] = [runSeed(7), runSeed(7)];
    expect({ ...again, cpuMs: 0 }).toEqual({ ...first, cpuMs: 0 });
  });

  const first = firstFreshSeed();
  const last = first + FRESH_SEEDS - 1;
  test(`seeds ${first}-${last} hold, and meet every situation`, { timeout: PATIENCE_MS }, () => {
    const summary = emptySummary();
    for (let seed = first; seed <= last; seed++) takeIn(summary, runSeed(seed));
    const broken = summary.violations.map(({ seed, violation }) => ({ seed, violation }));
    expect(broken).toEqual([]);
    expect(missing(summary)).toEqual([]);
  });
});
