/** Progress and log lines of runs: whose are taken, what is kept, when they go. */
import { describe, expect, test } from "vitest";
import type { RunReport } from "../../src/queue/command.ts";
import { LOG_LINE, PROGRESS } from "../../src/queue/keys.ts";
import { readAll } from "./feed-watcher.ts";
import { bytesOf, completeOf, Driver, failOf, makeId, registerOf, submitOf } from "./harness.ts";

const A = makeId(1);

function running(version = 3): Driver {
  const driver = new Driver();
  for (let next = 2; next <= version; next++) driver.raise(next);
  driver.apply(registerOf("w"), submitOf(A), { type: "lease", session: "w", count: 1 });
  return driver;
}

function said(given: Partial<RunReport>, session = "w") {
  const run = { id: A, token: 1, progress: "", lines: [], ...given };
  return { type: "report" as const, session, runs: [run] };
}

function linesOf(count: number, from = 1) {
  return Array.from({ length: count }, (_, at) => {
    return { level: "info" as const, text: `line ${from + at}` };
  });
}

function recordsOf(driver: Driver, prefix: number): number {
  return driver.store.scan({ gte: Uint8Array.of(prefix), lt: Uint8Array.of(prefix + 1) }).length;
}

const DONE = { code: "ok", duplicate: false };
const NOTHING = { code: "ok", duplicate: true };

describe("whose report is taken", () => {
  test("of a run under way", () => {
    const driver = running();
    expect(driver.one(said({ progress: "0.5", lines: linesOf(2) }))).toMatchObject(DONE);
    expect(driver.task(A)).toMatchObject({
      progress: { value: "0.5", at: driver.now },
      logLines: 2,
    });
    expect(driver.machine.logLines(A, 0, 10)?.lines).toEqual([
      { number: 1, at: driver.now, level: "info", text: "line 1" },
      { number: 2, at: driver.now, level: "info", text: "line 2" },
    ]);
  });

  test("not of another session, token or task, and not of a run that is over", () => {
    const driver = running();
    driver.apply(registerOf("v"));
    const full = { progress: "1", lines: linesOf(1) };
    expect(driver.one(said(full, "v"))).toMatchObject(NOTHING);
    expect(driver.one(said(full, "nobody"))).toMatchObject(NOTHING);
    expect(driver.one(said({ ...full, token: 2 }))).toMatchObject(NOTHING);
    expect(driver.one(said({ ...full, token: 0 }))).toMatchObject(NOTHING);
    expect(driver.one(said({ ...full, id: makeId(2) }))).toMatchObject(NOTHING);
    expect(driver.one(said({}))).toMatchObject(NOTHING);
    driver.apply(completeOf(A, 1));
    expect(driver.one(said(full))).toMatchObject(NOTHING);
    expect(driver.task(A)).toMatchObject({ progress: undefined, logLines: 0 });
  });

  test("not before version 3", () => {
    const driver = running(2);
    expect(driver.one(said({ progress: "1" })).code).toBe("state_conflict");
    expect(driver.task(A).progress).toBeUndefined();
  });

  test("of 100 runs at most", () => {
    const driver = running();
    const [run] = said({ progress: "1" }).runs;
    const runs = Array.from({ length: 100 }, () => run!);
    expect(driver.one({ type: "report", session: "w", runs })).toMatchObject(DONE);
    const tooMany = { type: "report" as const, session: "w", runs: [...runs, run!] };
    expect(driver.one(tooMany).code).toBe("invalid_request");
  });
});

describe("what is kept", () => {
  test("progress of 4,096 bytes and not more", () => {
    const driver = running();
    const longest = JSON.stringify("x".repeat(4094));
    expect(driver.one(said({ progress: longest }))).toMatchObject(DONE);
    expect(driver.one(said({ progress: JSON.stringify("x".repeat(4095)) }))).toMatchObject(NOTHING);
    expect(driver.one(said({ progress: JSON.stringify("ä".repeat(2048)) }))).toMatchObject(NOTHING);
    expect(driver.task(A).progress?.value).toBe(longest);
  });

  test("1,024 bytes of a line, and the newest 100 lines of a report", () => {
    const driver = running();
    driver.apply(said({ lines: [{ level: "warn", text: `${"ä".repeat(511)}x€` }] }));
    const [line] = driver.machine.logLines(A, 0, 1)!.lines;
    expect(line).toMatchObject({ level: "warn", text: `${"ä".repeat(511)}x` });
    driver.apply(said({ lines: linesOf(101) }));
    expect(driver.task(A).logLines).toBe(101);
    expect(driver.machine.logLines(A, 1, 1)!.lines[0]!.text).toBe("line 2");
  });

  test("the newest 1,000 lines, whatever is flushed in between", () => {
    const driver = running();
    for (let from = 1; from <= 1100; from += 100) {
      driver.apply(said({ lines: linesOf(100, from) }));
      if (from % 300 === 1) driver.flush();
      if (from === 601) driver.restart();
    }
    driver.flush();
    expect(recordsOf(driver, LOG_LINE)).toBe(1000);
    const page = driver.machine.logLines(A, 0, 2)!;
    expect(page.lines.map(({ number, text }) => [number, text])).toEqual([
      [101, "line 101"],
      [102, "line 102"],
    ]);
    expect(page).toMatchObject({ next: 102, total: 1100 });
    expect(driver.machine.logLines(A, 1099, 10)).toMatchObject({ next: 1100, total: 1100 });
    expect(driver.machine.logLines(A, 1100, 10)).toEqual({ lines: [], next: 1100, total: 1100 });
    expect(driver.machine.logLines(A, 5000, 10)!.lines).toEqual([]);
    expect(driver.machine.logLines(makeId(9), 0, 10)).toBeUndefined();
  });
});

describe("with the task", () => {
  test("they stay when it ends and starts again, and go when it is deleted", () => {
    const driver = running();
    driver.apply(said({ progress: "1", lines: linesOf(3) }));
    driver.apply(failOf(A, 1, { retryable: false }));
    driver.flush();
    driver.restart();
    expect(driver.task(A)).toMatchObject({ state: "dead", progress: { value: "1" }, logLines: 3 });
    driver.apply({ type: "retry", id: A, requestId: bytesOf("r") });
    driver.apply({ type: "lease", session: "w", count: 1 });
    driver.apply(said({ token: 2, lines: linesOf(1, 4) }));
    expect(driver.task(A)).toMatchObject({ progress: { value: "1" }, logLines: 4 });
    driver.apply(completeOf(A, 2));
    driver.flush();
    expect([recordsOf(driver, LOG_LINE), recordsOf(driver, PROGRESS)]).toEqual([4, 1]);
    driver.apply({ type: "delete", id: A, requestId: bytesOf("d") });
    driver.flush();
    expect([recordsOf(driver, LOG_LINE), recordsOf(driver, PROGRESS)]).toEqual([0, 0]);
    expect(driver.machine.logLines(A, 0, 10)).toBeUndefined();
  });

  test("watchers hear of progress, not of lines", () => {
    const driver = running();
    const from = driver.machine.feed.newest;
    driver.apply(said({ lines: linesOf(1) }), said({ progress: "1", lines: linesOf(1) }));
    const { events } = readAll(driver.machine.feed, from);
    expect(events).toMatchObject([{ kind: "progress", state: "running", ordinal: 0 }]);
  });
});
