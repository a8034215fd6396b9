import { describe, expect, test } from "vitest";
import { retryDelayMs } from "../../src/queue/retry-delay.ts";
import type { RetryPolicy } from "../../src/queue/task.ts";
import { makeId, RETRY } from "./harness.ts";

const ID = makeId(1);

function waits(policy: Partial<RetryPolicy>, retries = 5): number[] {
  const whole = { ...RETRY, ...policy };
  return Array.from({ length: retries }, (_, n) => retryDelayMs(whole, n + 1, ID, n + 1));
}

test.each<[string, Partial<RetryPolicy>, number[]]>([
  ["exponential", {}, [5_000, 10_000, 20_000, 40_000, 80_000]],
  ["linear", { backoff: "linear" }, [5_000, 10_000, 15_000, 20_000, 25_000]],
  ["fixed", { backoff: "fixed" }, [5_000, 5_000, 5_000, 5_000, 5_000]],
  ["a list", { backoff: "list", delaysMs: [10, 0, 30] }, [10, 0, 30, 30, 30]],
  ["an empty list", { backoff: "list" }, [5_000, 5_000, 5_000, 5_000, 5_000]],
  ["a maximum", { maxDelayMs: 15_000 }, [5_000, 10_000, 15_000, 15_000, 15_000]],
  [
    "a maximum below the list",
    { backoff: "list", delaysMs: [10, 9_000], maxDelayMs: 20 },
    [10, 20, 20, 20, 20],
  ],
])("waits by %s", (_, policy, wanted) => {
  expect(waits(policy)).toEqual(wanted);
});

test("a wait is never beyond the calendar, however often a task has failed", () => {
  for (const backoff of ["exponential", "linear"] as const) {
    const policy = { ...RETRY, backoff, maxDelayMs: Number.MAX_SAFE_INTEGER, jitter: 1 };
    expect(retryDelayMs(policy, 1_000_000_000, ID, 1)).toBeLessThanOrEqual(8_640_000_000_000_000);
  }
});

describe("jitter", () => {
  const drawn = (policy: Partial<RetryPolicy>) => {
    return Array.from({ length: 300 }, (_, n) => {
      return retryDelayMs({ ...RETRY, backoff: "fixed", ...policy }, 1, makeId(n), n);
    });
  };

  test.each<[RetryPolicy["jitterKind"], number, number, number]>([
    ["extra", 0.2, 5_000, 6_000],
    ["full", 0, 0, 5_000],
    ["equal", 0, 2_500, 5_000],
  ])("of the kind %s with a share of %d is drawn from %d to %d ms", (kind, jitter, from, to) => {
    const waited = drawn({ jitterKind: kind, jitter });
    const [least, most] = [Math.min(...waited), Math.max(...waited)];
    expect(least).toBeGreaterThanOrEqual(from);
    expect(most).toBeLessThan(to);
    // All of the range is used.
    expect(least).toBeLessThan(from + (to - from) / 10);
    expect(most).toBeGreaterThan(to - (to - from) / 10);
  });

  test("is the same on every replica", () => {
    expect(drawn({ jitterKind: "full" })).toEqual(drawn({ jitterKind: "full" }));
  });
});
