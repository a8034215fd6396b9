/** Lists and overviews, limits, and the pure functions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fingerprint } from "../../src/queue/fingerprint.ts";
import { LEASES_PER_SESSION_MAX, TIME_MAX, WAKE_MAX } from "../../src/queue/limits.ts";
import { retryDelayMs } from "../../src/queue/retry-delay.ts";
import { BACKOFFS, JITTER_KINDS } from "../../src/queue/task.ts";
import { truncateText } from "../../src/queue/truncate.ts";
import type { LiveFilter } from "../../src/queue/view.ts";
import {
  bytesOf,
  Driver,
  failOf,
  HOUR,
  makeId,
  RETRY,
  registerOf,
  START,
  submitOf,
} from "./harness.ts";

function serials(driver: Driver, filter: LiveFilter, limit: number, workMax = 1000): number[][] {
  const pages: number[][] = [];
  let after: Uint8Array | undefined;
  do {
    const page = driver.machine.listLive(filter, after, limit, workMax);
    pages.push(page.tasks.map(({ id }) => id[15]!));
    after = page.next;
  } while (after !== undefined);
  return pages;
}

describe("listLive", () => {
  function filled(): Driver {
    const driver = new Driver();
    for (const serial of [5, 3, 9, 1, 7, 2, 8, 4, 6]) {
      driver.apply(
        submitOf(makeId(serial), {
          queue: serial % 2 === 0 ? "even" : "odd",
          type: serial < 5 ? "mail" : "sms",
          delayMs: serial === 9 ? 1000 : 0,
          tags: serial % 3 === 0 ? ["third"] : [],
        }),
      );
    }
    return driver;
  }

  test("goes through all live tasks in id order, page by page", () => {
    expect(serials(filled(), {}, 4)).toEqual([[1, 2, 3, 4], [5, 6, 7, 8], [9]]);
    expect(serials(filled(), {}, 9)).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9]]);
    expect(serials(new Driver(), {}, 4)).toEqual([[]]);
  });

  test("filters", () => {
    expect(serials(filled(), { queue: "even" }, 9)).toEqual([[2, 4, 6, 8]]);
    expect(serials(filled(), { type: "sms", queue: "odd" }, 9)).toEqual([[5, 7, 9]]);
    expect(serials(filled(), { state: "scheduled" }, 9)).toEqual([[9]]);
    expect(serials(filled(), { state: "completed" }, 9)).toEqual([[]]);
  });

  test("looks for tags in a bounded number of contents at a time", () => {
    expect(serials(filled(), { tag: "third" }, 2)).toEqual([[3, 6], [9]]);
    const pages = serials(filled(), { tag: "third" }, 2, 2);
    expect(pages.flat()).toEqual([3, 6, 9]);
    expect(pages.length).toBeGreaterThan(3);
  });

  test("agrees with sorting everything", () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 60 });
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 20 }), (given, limit) => {
        const driver = new Driver();
        for (const serial of given) driver.apply(submitOf(makeId(serial)));
        driver.flush();
        expect(serials(driver, {}, limit).flat()).toEqual(given.toSorted((a, b) => a - b));
      }),
      { numRuns: 30 },
    );
  });
});

describe("overviews", () => {
  test("queues, with the age of what waits", () => {
    const driver = new Driver();
    driver.apply(submitOf(makeId(1), { queue: "a", delayMs: 5000 }));
    expect(driver.machine.queue("a")).toMatchObject({
      counts: { scheduled: 1 },
      oldestPendingAt: 0,
    });
    driver.now += 5000;
    driver.apply({ type: "wake", max: 9 });
    driver.now += 5000;
    driver.apply(submitOf(makeId(2), { queue: "a" }));
    const wanted = { counts: { pending: 2 }, oldestPendingAt: START + 5000 };
    expect(driver.machine.queue("a")).toMatchObject(wanted);
    expect(driver.machine.queues()).toHaveLength(1);
    expect(driver.machine.queue("b")).toBeUndefined();
  });

  test("sessions, without their secrets", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1", { labels: ["zone=a"] }), submitOf(makeId(1)));
    driver.apply({ type: "lease", session: "w1", count: 1 });
    expect(driver.machine.session("w1")).toMatchObject({ running: 1, labels: ["zone=a"] });
    expect(driver.machine.sessions()[0]).not.toHaveProperty("secret");
    expect(driver.machine.session("w2")).toBeUndefined();
  });

  test("what a session could get, and whether a lane is for it", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1", { types: ["mail"] }), registerOf("w2", { types: ["sms"] }));
    for (let serial = 1; serial <= 5; serial++) driver.apply(submitOf(makeId(serial)));
    expect(driver.machine.readyFor("w1", 100)).toBe(5);
    expect(driver.machine.readyFor("w1", 3)).toBe(3);
    expect(driver.machine.readyFor("w2", 100)).toBe(0);
    expect(driver.machine.readyFor("w3", 100)).toBe(0);
    const [ready] = driver.takeEvents();
    if (ready?.type !== "ready") throw new Error("no ready event");
    expect(driver.machine.matches("w1", ready.lane)).toBe(true);
    expect(driver.machine.matches("w2", ready.lane)).toBe(false);
    expect(driver.machine.lane(ready.lane)).toEqual({ queue: "default", type: "mail" });
  });
});

describe("limits", () => {
  test("a session holds so many leases and not one more", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1", { leaseMs: HOUR }));
    const submits = Array.from({ length: LEASES_PER_SESSION_MAX + 1 }, (_, i) =>
      submitOf(makeId(i)),
    );
    driver.apply(...submits);
    const lease = { type: "lease" as const, session: "w1", count: 1_000_000 };
    expect(driver.one(lease)).toMatchObject({ granted: LEASES_PER_SESSION_MAX });
    expect(driver.one(lease)).toMatchObject({ code: "overloaded" });
    driver.now += HOUR;
    driver.apply({ type: "lapse", session: "w1", renewals: 0 });
    expect(driver.machine.counts()).toMatchObject({ running: 0, pending: submits.length });
  });

  test("one wake moves so many tasks and not one more", () => {
    const driver = new Driver();
    const submits = Array.from({ length: WAKE_MAX + 1 }, (_, i) => {
      return submitOf(makeId(i), { delayMs: 1 });
    });
    driver.apply(...submits);
    driver.now += 1;
    driver.apply({ type: "wake", max: 1_000_000 });
    expect(driver.machine.counts()).toMatchObject({ scheduled: 1, pending: WAKE_MAX });
    expect(driver.machine.dueCommands(driver.now)).toHaveLength(1);
  });

  test("errors are cut between characters", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1"), submitOf(makeId(1)), { type: "lease", session: "w1", count: 1 });
    const error = { message: "é".repeat(5000), stack: "€".repeat(5000) };
    driver.apply(failOf(makeId(1), 1, { error }));
    const kept = driver.task(makeId(1)).error!;
    expect(bytesOf(kept.message).length).toBe(4096);
    expect(bytesOf(kept.stack).length).toBe(8190);
  });

  test("times beyond the calendar stop at its end", () => {
    const driver = new Driver();
    const runAt = Number.MAX_SAFE_INTEGER;
    driver.apply(submitOf(makeId(1), { runAt }), submitOf(makeId(2), { delayMs: runAt }));
    expect(driver.task(makeId(1)).dueAt).toBe(TIME_MAX);
    expect(driver.task(makeId(2)).dueAt).toBe(TIME_MAX);
  });

  test("the clock never runs back", () => {
    const driver = new Driver();
    driver.apply(submitOf(makeId(1)));
    driver.now -= 5000;
    driver.apply(submitOf(makeId(2)));
    expect(driver.task(makeId(2)).createdAt).toBe(START);
  });
});

describe("retryDelayMs", () => {
  const id = makeId(1);

  test("doubles up to the maximum", () => {
    const policy = { ...RETRY, maxDelayMs: 60_000 };
    const delays = [1, 2, 3, 4, 5, 6, 1000].map((failures) =>
      retryDelayMs(policy, failures, id, 1),
    );
    expect(delays).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
  });

  test("adds up to its share of jitter, the same each time, another for each attempt", () => {
    const policy = { ...RETRY, jitter: 0.1 };
    const delays = Array.from({ length: 200 }, (_, n) => retryDelayMs(policy, 1, id, n));
    expect(delays).toEqual(Array.from({ length: 200 }, (_, n) => retryDelayMs(policy, 1, id, n)));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...delays)).toBeLessThan(5500);
    expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(400);
  });

  test("is a time for any policy", () => {
    const anyRatio = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
    const policy = fc.record({
      maxRetries: fc.nat(),
      initialDelayMs: fc.maxSafeNat(),
      multiplier: anyRatio,
      maxDelayMs: fc.maxSafeNat(),
      jitter: anyRatio,
      backoff: fc.constantFrom(...BACKOFFS),
      delaysMs: fc.array(fc.maxSafeNat(), { maxLength: 3 }),
      jitterKind: fc.constantFrom(...JITTER_KINDS),
    });
    fc.assert(
      fc.property(
        policy,
        fc.integer({ min: 1, max: 1e9 }),
        fc.nat(),
        (given, failures, attempt) => {
          const delay = retryDelayMs(given, failures, id, attempt);
          expect(Number.isSafeInteger(delay) && delay >= 0 && delay <= TIME_MAX).toBe(true);
        },
      ),
    );
  });
});

describe("truncateText", () => {
  test("keeps the longest prefix of whole characters that fits", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    fc.assert(
      fc.property(text, fc.nat(60), (given, bytesMax) => {
        const kept = truncateText(given, bytesMax);
        expect(given.startsWith(kept)).toBe(true);
        expect(bytesOf(kept).length).toBeLessThanOrEqual(bytesMax);
        const rest = [...given.slice(kept.length)];
        if (rest.length > 0) expect(bytesOf(kept + rest[0]).length).toBeGreaterThan(bytesMax);
      }),
    );
  });
});

describe("fingerprint", () => {
  test("tells byte strings apart and is never the mark for none", () => {
    const seen = new Set<string>();
    for (let serial = 0; serial < 5000; serial++) {
      const { high, low } = fingerprint(bytesOf(`request ${serial}`));
      seen.add(`${high} ${low}`);
      expect(low).toBeGreaterThan(0);
    }
    expect(seen.size).toBe(5000);
  });
});
