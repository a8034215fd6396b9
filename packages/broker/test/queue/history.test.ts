/** The boundaries of what is kept beside the history, of jobs, retention and dead letter queues. */
import { describe, expect, test } from "vitest";
import { BlockSummaries } from "../../src/queue/block-summaries.ts";
import {
  decodeFinishedRecord,
  encodeFinishedRecord,
} from "../../src/queue/codec/finished-record.ts";
import { decodeBlock, encodeBlock } from "../../src/queue/codec/history-records.ts";
import type { Command } from "../../src/queue/command.ts";
import { errorFingerprint, withoutParticulars } from "../../src/queue/error-groups.ts";
import { decodeFinished } from "../../src/queue/history.ts";
import { errorGroupRange, FINISHED, taskKey } from "../../src/queue/keys.ts";
import { LiveTable } from "../../src/queue/live-table.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import { COMPLETED, DEAD } from "../../src/queue/state-number.ts";
import type { TaskId } from "../../src/queue/task.ts";
import {
  bytesOf,
  completeOf,
  Driver,
  failOf,
  HOUR,
  makeId,
  RETRY,
  registerOf,
  START,
  submitOf,
} from "./harness.ts";
import { idsIn } from "./history-check.ts";
import { hex } from "./naive-state.ts";

const ANY = {
  state: undefined,
  queue: "",
  type: "",
  tag: "",
  fingerprint: "",
  createdFrom: 0,
  createdTo: 0,
  finishedFrom: 0,
  finishedTo: 0,
};
const JOB = makeId(900_000);

function started(version = 3): Driver {
  const driver = new Driver();
  if (version > 1) driver.raise(version);
  driver.apply(registerOf("w1", { leaseMs: 100 * HOUR, types: ["mail", "sms"] }));
  return driver;
}

/** Submits and runs a task; `error` undefined = it completes. */
function run(driver: Driver, id: TaskId, error?: string, content = {}): void {
  driver.apply(submitOf(id, content), { type: "lease", session: "w1", count: 1 });
  const { token } = driver.task(id).lease!;
  const failed = { error: { message: error ?? "", stack: "" }, retryable: false };
  driver.apply(error === undefined ? completeOf(id, token) : failOf(id, token, failed));
}

function startOf(kind: "retry" | "delete" | "cancel", given = {}): Command {
  return { type: "startJob", id: JOB, kind, filter: ANY, dryRun: false, perSecond: 0, ...given };
}

function stepOf(step: number, tasks: readonly TaskId[], cursor = "on"): Command {
  return { type: "stepJob", id: JOB, step, tasks, cursor: bytesOf(cursor) };
}

describe("an error's fingerprint", () => {
  test.each([
    ["took 17 ms", "took 2300.5 ms"],
    ["no user 'ada'", "no user 'bob o'"],
    ["can't open file 'a'", "can't open file 'b'"],
    [`no "x" in \`y\``, `no "" in \`yy\``],
    ["row 0190a3c4-7b2d-7000-8000-000000000001", "row ffffa3c4-7b2d-7000-8000-00000000beef"],
    ["commit 12ab34cd is gone", "commit deadbeef is gone"],
    ["at 0x1F", "at 0xdeadbeefdeadbeef"],
    ["user_17 is away", "user_23000 is away"],
    ["first line\nat a.js:17", "first line\nat b.js:3"],
    [`${"a ".repeat(100)}one end`, `${"a ".repeat(100)}another end`],
  ])("is the same for %j and %j", (one, other) => {
    expect(errorFingerprint("mail", one)).toBe(errorFingerprint("mail", other));
  });

  test.each([
    ["mail", "took 17 ms", "sms", "took 17 ms"],
    ["mail", "took 17 ms", "mail", "took 17 s"],
    ["mail", "face to face", "mail", "cafe to cafe"],
    ["mail", "", "mail", "x"],
  ])("differs for %s %j and %s %j", (type, one, otherType, other) => {
    expect(errorFingerprint(type, one)).not.toBe(errorFingerprint(otherType, other));
  });

  test("has 16 digits, also of half a character, which is not what it was once it is written", () => {
    expect(errorFingerprint("mail", "\ud83d")).toMatch(/^[0-9a-f]{16}$/);
    expect(errorFingerprint("mail", "\ud83d")).toBe(errorFingerprint("mail", "\ufffd"));
  });

  test("looks at a bounded part of a message", () => {
    expect(withoutParticulars("x".repeat(4096))).toHaveLength(200);
    expect(withoutParticulars(`'${"z".repeat(4096)}`)).toHaveLength(200);
  });
});

describe("blocks", () => {
  function enter(blocks: BlockSummaries, order: number, id: TaskId, type = "mail", at = START) {
    const table = new LiveTable();
    const slot = table.add(id);
    table.order[slot] = order;
    blocks.enter(table, slot, "a", type, { state: COMPLETED, at });
  }

  test("cover 1,000 places each, and go with their last task", () => {
    const blocks = new BlockSummaries();
    for (const order of [1, 999, 1000]) enter(blocks, order, makeId(order));
    expect(blocks.size).toBe(2);
    blocks.leave(1000, COMPLETED);
    expect(blocks.size).toBe(1);
    expect(blocks.record(1)).toBeUndefined();
    expect(blocks.takeDirty().sort()).toEqual([0, 1]);
    expect(() => blocks.leave(1000, COMPLETED)).toThrow("in no block");
    expect(() => blocks.leave(1, DEAD)).toThrow("lost a task");
  });

  test("tell 32 lanes apart, and beyond that may hold any", () => {
    const blocks = new BlockSummaries();
    for (let at = 0; at < 32; at++) enter(blocks, at, makeId(at), `t${at}`);
    expect(blocks.next(makeId(0), { type: "other" })).toBeUndefined();
    expect(blocks.record(0)?.lanes).toHaveLength(32);
    enter(blocks, 32, makeId(32), "t32");
    expect(blocks.record(0)?.lanes).toBeUndefined();
    expect(blocks.next(makeId(0), { type: "other" })).toEqual(makeId(0));
  });

  test("are as they were after their records were read", () => {
    const blocks = new BlockSummaries();
    for (let at = 0; at < 100; at++) enter(blocks, at * 1000, makeId(at), `t${at % 7}`, START + at);
    const again = new BlockSummaries();
    for (let at = 99; at >= 0; at--) again.load(at, decodeBlock(encodeBlock(blocks.record(at)!)));
    again.check();
    for (let at = 0; at < 100; at++) expect(again.record(at)).toEqual(blocks.record(at));
    const from = { type: "t3", finishedFrom: START + 50, finishedTo: START + 53 };
    expect(again.next(makeId(0), from)).toEqual(makeId(52));
    expect(again.next(makeId(53), from)).toBeUndefined();
  });

  test("from before version 3 are never passed over, as long as anything of then is left", () => {
    const driver = started(2);
    run(driver, makeId(1));
    driver.raise(3);
    expect(driver.machine.skipTo(makeId(0), { type: "none" })).toEqual(makeId(0));
    const late = makeId(2, START + HOUR);
    driver.now = START + HOUR;
    run(driver, late);
    expect(driver.machine.skipTo(makeId(0, START + HOUR - 1), {})).toEqual(late);
    driver.flush();
    driver.restart();
    expect(driver.machine.skipTo(makeId(0), { type: "none" })).toEqual(makeId(0));
    driver.apply({ type: "delete", id: makeId(1), requestId: bytesOf("d") });
    expect(driver.machine.skipTo(makeId(0), { type: "none" })).toBeUndefined();
    expect(driver.machine.skipTo(makeId(0), {})).toEqual(late);
  });
});

describe("a finished record", () => {
  test.each([2, 3])("is written anew as it was, at version %i", (version) => {
    const driver = started(version);
    run(driver, makeId(1), "broken", { tags: ["x"] });
    run(driver, makeId(2));
    driver.flush();
    driver.apply(submitOf(makeId(3)));
    driver.flush();
    driver.apply({ type: "cancel", id: makeId(3), reason: "" });
    driver.flush();
    for (const serial of [1, 2, 3]) {
      const key = taskKey(FINISHED, makeId(serial));
      const bytes = driver.store.get(key)!;
      expect(encodeFinishedRecord(decodeFinishedRecord(bytes))).toEqual(bytes);
      const summary = decodeFinished(key, bytes);
      expect(summary.order).toBe(version < 3 ? undefined : serial);
      expect(summary.historyBytes > 128).toBe(version >= 3);
    }
  });
});

describe("a job", () => {
  test("takes 10 tasks a step, not 11, and only in its turn", () => {
    const driver = started();
    const ids = Array.from({ length: 11 }, (_, at) => makeId(at + 1));
    driver.apply(startOf("cancel"), ...ids.map((id) => submitOf(id)));
    expect(driver.one(stepOf(0, ids)).code).toBe("invalid_request");
    expect(driver.one(stepOf(1, [])).code).toBe("state_conflict");
    expect(driver.one(stepOf(0, ids.slice(0, 10)))).toMatchObject({ code: "ok", duplicate: false });
    expect(driver.one(stepOf(0, ids.slice(10)))).toMatchObject({ code: "ok", duplicate: true });
    expect(driver.machine.counts()).toMatchObject({ cancelled: 10, pending: 1 });
    expect(driver.one(stepOf(1, [], "")).code).toBe("ok");
    expect(driver.machine.job(JOB)).toMatchObject({ state: "done", matched: 10, changed: 10 });
    expect(driver.one(stepOf(2, [])).code).toBe("state_conflict");
    expect(driver.one({ type: "cancelJob", id: JOB }).code).toBe("state_conflict");
    expect(driver.one({ type: "cancelJob", id: makeId(1) }).code).toBe("not_found");
  });

  test.each([
    ["retry", "completed"],
    ["retry", "pending"],
    ["delete", "running"],
    ["cancel", "dead"],
  ] as const)("to %s is not for %s tasks", (kind, state) => {
    const reply = started().one(startOf(kind, { filter: { ...ANY, state } }));
    expect(reply.code).toBe("invalid_request");
  });

  test("starts again what died of one error, and nothing else", () => {
    const driver = started();
    run(driver, makeId(1), "no user 17");
    run(driver, makeId(2), "no user 18");
    run(driver, makeId(3), "disk full");
    const fingerprint = errorFingerprint("mail", "no user 99");
    driver.flush();
    expect(idsIn(driver, driver.machine.errorRange(fingerprint, undefined))).toHaveLength(2);
    driver.apply(startOf("retry", { filter: { ...ANY, fingerprint } }));
    driver.apply(stepOf(0, [makeId(1), makeId(2), makeId(3)], ""));
    expect(driver.machine.job(JOB)).toMatchObject({ changed: 2, skipped: 1 });
    expect(idsIn(driver, driver.machine.errorRange(fingerprint, undefined))).toEqual([]);
    expect(idsIn(driver, errorGroupRange(undefined))).toHaveLength(1);
  });

  test("that has ended is remembered until 100 others have", () => {
    const driver = started();
    for (let at = 0; at < 101; at++) {
      const id = makeId(900_000 + at);
      driver.now++;
      driver.apply(startOf("retry", { id }), { type: "cancelJob", id });
    }
    expect(driver.machine.jobs()).toHaveLength(100);
    expect(driver.machine.job(JOB)).toBeUndefined();
    driver.flush();
    const jobs = driver.machine.jobs();
    driver.restart();
    expect(driver.machine.jobs()).toEqual(jobs);
  });

  test("finds no room beside 1,000 others", () => {
    const driver = started();
    driver.apply(...Array.from({ length: 1000 }, (_, at) => startOf("retry", { id: makeId(at) })));
    expect(driver.one(startOf("retry")).code).toBe("overloaded");
    driver.apply({ type: "cancelJob", id: makeId(0) });
    expect(driver.one(startOf("retry")).code).toBe("ok");
  });
});

describe("retention", () => {
  test("passes over what was started again, or ended another time", () => {
    const driver = started();
    run(driver, makeId(1), "broken");
    const tasks = [{ id: makeId(1), finishedAt: START }];
    driver.now++;
    driver.apply({ type: "retry", id: makeId(1), requestId: bytesOf("r") });
    const expunge: Command = { type: "expunge", what: "task", tasks };
    expect(driver.one(expunge)).toMatchObject({ code: "ok", duplicate: true });
    driver.apply({ type: "cancel", id: makeId(1), reason: "" });
    expect(driver.one(expunge)).toMatchObject({ code: "ok", duplicate: true });
    expect(driver.task(makeId(1)).state).toBe("cancelled");
    const many = Array.from({ length: 13 }, () => tasks[0]!);
    expect(driver.one({ ...expunge, tasks: many }).code).toBe("invalid_request");
    expect(driver.one({ ...expunge, tasks: many.slice(1) }).code).toBe("ok");
  });

  test("a wake of deaths of many kinds reads 64 times at most, and leaves the others to the next", () => {
    const driver = started();
    const types = Array.from({ length: 40 }, (_, at) => `kind-${at}`);
    driver.apply(registerOf("w2", { types, leaseMs: HOUR }));
    const retry = { ...RETRY, maxRetries: 0 };
    for (const [at, type] of types.entries()) {
      driver.apply(submitOf(makeId(at + 1), { type, timeoutMs: 1000 }, { retry }));
    }
    driver.apply({ type: "lease", session: "w2", count: types.length });
    driver.flush();
    driver.now += 1000;
    driver.store.reads = 0;
    driver.apply({ type: "wake", max: 1000 });
    expect(driver.store.reads).toBeLessThanOrEqual(64);
    expect(driver.machine.counts().dead).toBeLessThan(types.length);
    while (driver.machine.dueCommands(driver.now).length > 0) {
      driver.apply(...driver.machine.dueCommands(driver.now));
    }
    expect(driver.machine.counts().dead).toBe(types.length);
  });

  test("a command reads 64 times at most", () => {
    const driver = started();
    const ids = Array.from({ length: 12 }, (_, at) => makeId(at + 1));
    for (const [at, id] of ids.entries()) {
      const unique = { key: `k${at}`, forMs: 0, onConflict: "keep" as const };
      driver.apply(submitOf(id, { idempotencyKey: `i${at}`, unique, tags: ["x"] }));
    }
    driver.flush();
    driver.apply({ type: "lease", session: "w1", count: 12 });
    for (const [at, id] of ids.entries()) {
      const error = { message: `broken ${"abcdefghijkl"[at]}`, stack: "" };
      driver.apply(failOf(id, driver.task(id).lease!.token, { error, retryable: false }));
    }
    driver.flush();
    driver.now += 25 * HOUR;
    const tasks = ids.map((id) => ({ id, finishedAt: START }));
    driver.apply(startOf("retry", { filter: { ...ANY, tag: "x" } }));
    const readsOf = (command: Command) => {
      const before = driver.store.reads;
      driver.machine.checkInvariants();
      driver.apply(command);
      return driver.store.reads - before;
    };
    expect(readsOf(stepOf(0, ids.slice(0, 10), ""))).toBeLessThanOrEqual(64);
    expect(driver.machine.job(JOB)).toMatchObject({ changed: 10 });
    driver.apply(...ids.slice(0, 10).map((id) => ({ type: "cancel" as const, id, reason: "" })));
    driver.flush();
    const again = tasks.map(({ id }, at) => {
      return { id, finishedAt: at < 10 ? driver.now : START };
    });
    expect(readsOf({ type: "expunge", what: "task", tasks: again })).toBeLessThanOrEqual(64);
    expect(driver.machine.counts()).toMatchObject({ cancelled: 0, dead: 0 });
  });

  test("forgets a tombstone when its window is over, and 16 things at a time", () => {
    const driver = started();
    run(driver, makeId(1), undefined, { idempotencyKey: "k" });
    driver.apply({ type: "delete", id: makeId(1), requestId: bytesOf("d") });
    const forget = { type: "forget" as const, idempotencyKeys: [], uniqueKeys: [] };
    const clear = { ...forget, tombstones: [makeId(1)] };
    driver.now = START + 24 * HOUR + 300_000 - 1;
    driver.apply(clear);
    expect(driver.one(submitOf(makeId(1), { idempotencyKey: "k" }))).toMatchObject({ code: "ok" });
    driver.now++;
    driver.apply(clear, clear);
    const gone = driver.one(submitOf(makeId(1), { idempotencyKey: "k" }));
    expect(gone.code).toBe("id_out_of_window");
    const ids = Array.from({ length: 17 }, () => makeId(1));
    expect(driver.one({ ...forget, tombstones: ids }).code).toBe("invalid_request");
  });
});

describe("a dead letter queue", () => {
  function withLetters(links: readonly (readonly [string, string])[]): Driver {
    const driver = started();
    for (const [queue, deadLetterQueue] of links) {
      const settings = { ...DEFAULT_SETTINGS, deadLetterQueue };
      driver.apply({ type: "configureQueue", queue, settings });
    }
    return driver;
  }

  function die(driver: Driver, queue: string): string {
    const id = makeId(1);
    driver.apply(submitOf(id, { queue, group: "g" }, { retry: { ...RETRY, maxRetries: 0 } }));
    while (driver.task(id).state === "pending") {
      driver.apply({ type: "lease", session: "w1", count: 1 });
      driver.apply(failOf(id, driver.task(id).lease!.token));
      driver.flush();
      driver.restart();
    }
    return driver.task(id).queue;
  }

  test.each([
    ["of its own is none", [["a", "a"]], "a"],
    [
      "may have one of its own",
      [
        ["a", "b"],
        ["b", "c"],
      ],
      "c",
    ],
    [
      "that leads back is none",
      [
        ["a", "b"],
        ["b", "a"],
      ],
      "a",
    ],
    [
      "of a ring ends a task where the ring begins, however it came there",
      [
        ["a", "b"],
        ["b", "c"],
        ["c", "b"],
      ],
      "b",
    ],
  ] as const)("%s", (_, links, end) => {
    const driver = withLetters(links);
    expect(die(driver, "a")).toBe(end);
    expect(driver.machine.queue(end)?.counts.dead).toBe(1);
    expect(driver.machine.counts()).toMatchObject({ dead: 1, pending: 0, running: 0 });
    expect(hex(driver.task(makeId(1)).id)).toBe(hex(makeId(1)));
  });
});
