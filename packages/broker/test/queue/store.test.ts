/** What is written when, what is read when, and that nothing is lost between the two. */
import { describe, expect, test, vi } from "vitest";
import { decodeFinished, idOfFinishedKey } from "../../src/queue/history.ts";
import { ATTEMPTS_KEPT } from "../../src/queue/limits.ts";
import { LiveTable } from "../../src/queue/live-table.ts";
import { QueueMachine } from "../../src/queue/machine.ts";
import type { Flush } from "../../src/queue/records.ts";
import {
  bytesOf,
  completeOf,
  Driver,
  failOf,
  HOUR,
  MemoryStore,
  makeId,
  RETRY,
  registerOf,
  START,
  submitOf,
} from "./harness.ts";

const first = makeId(1);

function kinds({ writes }: Flush): string {
  const seen = writes.map(({ key, value }) => {
    return String.fromCharCode(key[0]!) + (value === undefined ? "-" : "");
  });
  return seen.sort().join(" ");
}

/** The flush as the driver would do it, with a look at what was written. */
function flushed(driver: Driver): string {
  const flush = driver.machine.beginFlush();
  driver.store.write(flush);
  driver.machine.flushed();
  return kinds(flush);
}

function leased(driver: Driver): void {
  driver.apply(registerOf("w1", { leaseMs: 10 * HOUR }), submitOf(first), leaseOf("w1"));
}

function leaseOf(session: string, count = 1) {
  return { type: "lease" as const, session, count };
}

describe("records", () => {
  test("a task that comes and goes between two flushes is one key", () => {
    const driver = new Driver();
    leased(driver);
    driver.apply(completeOf(first, 1));
    expect(flushed(driver)).toBe("f m q s");
    expect(driver.task(first)).toMatchObject({ state: "completed", content: { type: "mail" } });
  });

  test("a task that stays gets a live record and its content, then only what changes", () => {
    const driver = new Driver();
    driver.apply(submitOf(first));
    expect(flushed(driver)).toBe("c l m q");
    driver.apply(registerOf("w1"), leaseOf("w1"));
    expect(flushed(driver)).toBe("l m q s");
    driver.apply(completeOf(first, 1));
    expect(flushed(driver)).toBe("f l- m q");
    expect(driver.task(first).content.payload).toEqual(bytesOf("{}"));
  });

  test("nothing but the meta record is written when nothing changed", () => {
    const driver = new Driver();
    leased(driver);
    driver.flush();
    expect(driver.machine.dirtyCount).toBe(0);
    driver.machine.skip(2);
    expect(flushed(driver)).toBe("m");
  });

  test("a failed attempt is a record of its own, a dead task has an index key", () => {
    const driver = new Driver();
    leased(driver);
    driver.flush();
    driver.apply(failOf(first, 1));
    expect(flushed(driver)).toBe("h l m q");
    driver.now += 5000;
    driver.apply({ type: "wake", max: 1 }, leaseOf("w1"), failOf(first, 2, { retryable: false }));
    expect(flushed(driver)).toBe("f l- m q x");
  });

  test("a restarted task has its content again, wherever it was", () => {
    const driver = new Driver();
    leased(driver);
    driver.apply(failOf(first, 1, { retryable: false }));
    expect(flushed(driver)).toBe("f m q s x");
    driver.apply({ type: "retry", id: first, requestId: bytesOf("r") });
    expect(flushed(driver)).toBe("c f- h l m q x-");
    driver.restart();
    expect(driver.task(first)).toMatchObject({ state: "pending", attempt: 1 });
    driver.apply({ type: "cancel", id: first, reason: "" });
    driver.apply({ type: "retry", id: first, requestId: bytesOf("s") });
    expect(flushed(driver)).toBe("f- l m q x-");
    expect(driver.task(first).content.payload).toEqual(bytesOf("{}"));
  });

  test("a deleted task leaves its tombstone and nothing else", () => {
    const driver = new Driver();
    leased(driver);
    driver.flush();
    driver.apply(failOf(first, 1));
    driver.now += 5000;
    driver.apply({ type: "wake", max: 1 }, leaseOf("w1"), failOf(first, 2, { retryable: false }));
    driver.flush();
    driver.apply({ type: "delete", id: first, requestId: bytesOf("r") });
    driver.flush();
    const left = [...driver.store.records.keys()].filter((key) => /^[cfhlkx]/.test(key));
    expect(left).toEqual([]);
    expect([...driver.store.records.keys()].filter((key) => key.startsWith("t/"))).toHaveLength(1);
    driver.now += 30 * HOUR;
    driver.apply({ type: "delete", id: first, requestId: bytesOf("r") });
    driver.flush();
    expect([...driver.store.records.keys()].filter((key) => key.startsWith("t/"))).toEqual([]);
  });

  test("only the newest attempts are kept, in memory, on disk and in views", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1", { leaseMs: 99 * HOUR }));
    const retry = { ...RETRY, maxRetries: 100, initialDelayMs: 0 };
    driver.apply(submitOf(first, {}, { retry }));
    for (let token = 1; token <= 30; token++) driver.apply(leaseOf("w1"), failOf(first, token));
    driver.flush();
    const kept = [...driver.store.records.keys()].filter((key) => key.startsWith("h/"));
    expect(kept).toHaveLength(ATTEMPTS_KEPT);
    const { attempt, attempts } = driver.task(first);
    expect(attempt).toBe(30);
    expect(attempts.map(({ number }) => number)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 11),
    );
    driver.apply(leaseOf("w1"), completeOf(first, 31));
    expect(driver.task(first).attempts).toHaveLength(ATTEMPTS_KEPT);
    expect(driver.task(first).attempts.at(-1)).toMatchObject({ number: 31, outcome: "completed" });
  });
});

describe("flushing", () => {
  test("what is being written stays readable, what changes meanwhile is written next", () => {
    const driver = new Driver();
    leased(driver);
    driver.beginFlush();
    driver.apply(completeOf(first, 1));
    expect(driver.task(first)).toMatchObject({ state: "completed", content: { type: "mail" } });
    driver.endFlush();
    expect(driver.task(first)).toMatchObject({ state: "completed", content: { type: "mail" } });
    driver.restart();
    expect(driver.task(first)).toMatchObject({ state: "completed" });
    driver.flush();
    driver.restart();
    expect(driver.task(first)).toMatchObject({ state: "completed", content: { type: "mail" } });
  });

  test("a slot that is used again during a flush keeps the new task's content", () => {
    const driver = new Driver();
    leased(driver);
    driver.beginFlush();
    driver.apply(completeOf(first, 1), submitOf(makeId(2), { payload: bytesOf("two") }));
    driver.endFlush();
    expect(driver.task(makeId(2)).content.payload).toEqual(bytesOf("two"));
    driver.flush();
    expect(driver.task(makeId(2)).content.payload).toEqual(bytesOf("two"));
  });

  test("one flush at a time", () => {
    const driver = new Driver();
    driver.machine.beginFlush();
    expect(() => driver.machine.beginFlush()).toThrow("already under way");
    driver.machine.flushed();
    expect(() => driver.machine.flushed()).toThrow("no flush");
  });

  test("entries are applied once, in order", () => {
    const driver = new Driver();
    driver.apply(submitOf(first));
    expect(() => driver.machine.skip(1)).toThrow("in order");
  });

  test("a refused command changes nothing but time and hash", () => {
    const driver = new Driver();
    leased(driver);
    driver.apply(submitOf(makeId(2)), { type: "cancel", id: makeId(2), reason: "" });
    driver.flush();
    driver.takeEvents();
    const refusals = [
      submitOf(first, { payload: bytesOf("other") }),
      submitOf(makeId(3, START - 99 * HOUR)),
      submitOf(makeId(4), {}, { depthLimit: 1 }),
      leaseOf("nobody"),
      completeOf(first, 9),
      failOf(first, 9),
      { type: "extend" as const, id: first, token: 9, forMs: 5 },
      { type: "release" as const, id: first, token: 9 },
      { type: "cancel" as const, id: makeId(9), reason: "" },
      { type: "retry" as const, id: first, requestId: bytesOf("r") },
      { type: "delete" as const, id: first, requestId: bytesOf("r") },
      registerOf("w1", { secret: bytesOf("other") }),
      registerOf("w2", { types: [] }),
      { type: "lapse" as const, session: "w1", renewals: 0 },
    ];
    for (const command of refusals) {
      expect(["ok", "leased"], command.type).not.toContain(driver.one(command).code);
      expect(driver.machine.dirtyCount, command.type).toBe(0);
      expect(driver.takeEvents(), command.type).toEqual([]);
    }
    expect(flushed(driver)).toBe("m");
  });
});

describe("boot", () => {
  test("reads no content and no history, in any order and in pieces", () => {
    const driver = new Driver();
    leased(driver);
    driver.apply(submitOf(makeId(2), { delayMs: 5000 }), submitOf(makeId(3)));
    driver.flush();
    const records = QueueMachine.BOOT_RANGES.flatMap((range) => driver.store.scan(range));
    const machine = new QueueMachine(driver.store);
    driver.store.reads = 0;
    for (const record of records.reverse()) machine.load([record]);
    machine.loaded();
    machine.checkInvariants();
    expect(driver.store.reads).toBe(0);
    expect(machine.effectHash).toBe(driver.machine.effectHash);
    expect(machine.applied).toBe(driver.machine.applied);
    expect(machine.counts()).toEqual(driver.machine.counts());
  });

  test("of many tasks is done in pieces, and a table that never grows", () => {
    const driver = new Driver();
    const tasks = 5000;
    const submits = Array.from({ length: tasks }, (_, at) => submitOf(makeId(at + 1)));
    for (let at = 0; at < tasks; at += 1000) driver.apply(...submits.slice(at, at + 1000));
    driver.flush();
    const machine = new QueueMachine(driver.store);
    const grown = vi.spyOn(LiveTable.prototype, "reserve");
    for (const range of QueueMachine.BOOT_RANGES) machine.load(driver.store.scan(range));
    expect(grown.mock.calls).toEqual([[tasks]]);
    grown.mockRestore();
    expect([...machine.settle()].length).toBeGreaterThanOrEqual(3);
    machine.checkInvariants();
    expect(machine.counts()).toEqual(driver.machine.counts());
    expect([...machine.settle()]).toEqual([]);
  });

  test("refuses a store that lost a record", () => {
    for (const lost of ["l", "s", "q"]) {
      const driver = new Driver();
      leased(driver);
      driver.flush();
      const records = QueueMachine.BOOT_RANGES.flatMap((range) => driver.store.scan(range));
      const left = records.filter(([key]) => String.fromCharCode(key[0]!) !== lost);
      const machine = new QueueMachine(new MemoryStore());
      machine.load(left);
      expect(() => machine.loaded(), lost).toThrow("store");
    }
  });

  test("refuses a damaged record", () => {
    const driver = new Driver();
    leased(driver);
    driver.flush();
    const [record] = driver.store.scan(QueueMachine.BOOT_RANGES[3]!);
    const damaged = [record![0], record![1].subarray(0, 20)] as const;
    expect(() => new QueueMachine(driver.store).load([damaged])).toThrow();
  });
});

describe("reads of the store", () => {
  test("are few for each command", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1", { leaseMs: 9 * HOUR }));
    const reads = (...commands: Parameters<Driver["apply"]>) => {
      driver.store.reads = 0;
      driver.apply(...commands);
      return driver.store.reads;
    };
    const withKey = { idempotencyKey: "k" };
    expect(reads(submitOf(first, withKey))).toBeLessThanOrEqual(3);
    driver.flush();
    expect(reads(submitOf(makeId(2), withKey))).toBeLessThanOrEqual(5);
    expect(reads(leaseOf("w1"))).toBe(0);
    expect(reads(failOf(first, 1))).toBe(0);
    driver.now += 5000;
    expect(reads({ type: "wake", max: 9 })).toBe(0);
    expect(reads({ type: "cancel", id: first, reason: "" })).toBe(0);
    driver.flush();
    expect(reads({ type: "retry", id: first, requestId: bytesOf("r") })).toBeLessThanOrEqual(3);
  });
});

describe("deliveries", () => {
  test("come from memory, from the flush under way, then from the store", () => {
    const driver = new Driver();
    leased(driver);
    const [event] = driver.takeEvents().filter((given) => given.type === "leased");
    const { slot, token } = event!;
    const wanted = { kind: "ready", id: first, token, type: "mail", attempt: 1 };
    expect(driver.machine.delivery(slot, token)).toMatchObject(wanted);
    driver.beginFlush();
    expect(driver.machine.delivery(slot, token)).toMatchObject(wanted);
    driver.endFlush();
    const cold = driver.machine.delivery(slot, token);
    if (cold?.kind !== "cold") throw new Error("the content should be on disk only");
    const content = driver.store.get(cold.key)!;
    expect(driver.machine.deliveryFrom(content, slot, token)).toMatchObject(wanted);
    driver.apply(completeOf(first, token));
    expect(driver.machine.deliveryFrom(content, slot, token)).toBeUndefined();
    expect(driver.machine.delivery(slot, token)).toBeUndefined();
  });

  test("can be made again for a worker that comes back", () => {
    const driver = new Driver();
    leased(driver);
    driver.flush();
    driver.restart();
    const [lease] = driver.machine.leases("w1");
    expect(lease).toMatchObject({ id: first, token: 1 });
    expect(driver.machine.holds("w1", first, 1)).toBe(true);
    expect(driver.machine.holds("w2", first, 1)).toBe(false);
    expect(driver.machine.holds("w1", first, 2)).toBe(false);
    expect(driver.machine.delivery(lease!.slot, 1)).toMatchObject({ kind: "cold" });
  });
});

describe("history", () => {
  test("is the store with the overlay on top", () => {
    const driver = new Driver();
    driver.apply(registerOf("w1", { leaseMs: 9 * HOUR }));
    for (const serial of [3, 1, 2])
      driver.apply(submitOf(makeId(serial), { tags: [`t${serial}`] }));
    driver.apply(leaseOf("w1", 3), completeOf(makeId(3), 1));
    driver.apply(failOf(makeId(1), 2, { retryable: false }));
    driver.flush();
    driver.apply(failOf(makeId(2), 3, { retryable: false }));
    driver.apply({ type: "retry", id: makeId(1), requestId: bytesOf("r") });
    const range = driver.machine.historyRange(undefined);
    const stored = driver.store.scan(range).map(([key, value]) => decodeFinished(key, value));
    expect(stored.map(({ id, state }) => [id.at(-1), state])).toEqual([
      [1, "dead"],
      [3, "completed"],
    ]);
    expect(stored[1]).toMatchObject({ type: "mail", queue: "default", tags: ["t3"] });
    const overlay = driver.machine.historyOverlay(range);
    expect(overlay.map(({ key, value }) => [key.at(-1), value === undefined])).toEqual([
      [1, true],
      [2, false],
    ]);
    const after = driver.machine.historyRange(makeId(1));
    expect(driver.store.scan(after)).toHaveLength(1);
    const dead = driver.machine.historyOverlay(driver.machine.finishedRange("dead", undefined));
    const ids = dead
      .filter(({ value }) => value !== undefined)
      .map(({ key }) => idOfFinishedKey(key));
    expect(ids).toEqual([makeId(2)]);
  });
});

describe("contents that are on disk", () => {
  test("stay in memory for a while, the oldest going first", () => {
    const driver = new Driver();
    driver.machine = new QueueMachine(driver.store, 1);
    leased(driver);
    const [event] = driver.takeEvents().filter((given) => given.type === "leased");
    const { slot, token } = event!;
    driver.flush();
    expect(driver.machine.delivery(slot, token)).toMatchObject({ kind: "ready" });
    driver.apply(submitOf(makeId(9)));
    driver.flush();
    expect(driver.machine.delivery(slot, token)).toMatchObject({ kind: "cold" });
  });
});
