import { describe, expect, test } from "vitest";
import {
  CAUGHT_UP_ENTRIES,
  PRIORITY_RETRY_MS,
  PRIORITY_SETTLE_MS,
} from "../../src/replica/limits.ts";
import {
  bestSuccessor,
  type Candidate,
  type Field,
  NO_OFFICE,
  Succession,
  wishOf,
} from "../../src/replica/succession.ts";

const LAST = 10_000;
const TIMEOUT = 1_000;

function fieldOf(now: number, candidates: readonly (Partial<Candidate> & { id: string })[]): Field {
  const filled = candidates.map((each) => ({
    match: LAST,
    durable: LAST,
    lastContactMs: now,
    snapshotIndex: undefined,
    wish: wishOf(0),
    failures: 0,
    ...each,
  }));
  return { now, lastIndex: LAST, electionTimeoutMs: TIMEOUT, candidates: filled };
}

describe("the best successor", () => {
  const best = (...candidates: (Partial<Candidate> & { id: string })[]) =>
    bestSuccessor(fieldOf(5_000, candidates));

  test("is the one whose log is the furthest", () => {
    expect(best({ id: "b", match: LAST - 1 }, { id: "c" })).toBe("c");
  });

  test("is the one that is wanted most, of those that are caught up", () => {
    expect(best({ id: "b", match: LAST - 1, wish: 6 }, { id: "c" })).toBe("b");
    const far = { match: LAST - CAUGHT_UP_ENTRIES - 1 };
    expect(best({ id: "b", ...far, wish: 6 }, { id: "c" })).toBe("c");
  });

  test("is never one that was not heard lately", () => {
    expect(best({ id: "b", lastContactMs: 4_000 })).toBeUndefined();
    expect(best({ id: "b", lastContactMs: 4_000 }, { id: "c", match: 5 })).toBe("c");
  });

  test("is never one that still waits for a snapshot", () => {
    expect(best({ id: "b", snapshotIndex: 9 })).toBeUndefined();
    expect(best({ id: "b", snapshotIndex: 9 }, { id: "c", match: 5 })).toBe("c");
  });

  test("is never one that stops", () => {
    expect(best({ id: "b", wish: NO_OFFICE })).toBeUndefined();
    expect(best({ id: "b", wish: NO_OFFICE }, { id: "c", match: 5 })).toBe("c");
  });

  test("is one that has failed only when the others have failed as often", () => {
    const far = { match: LAST - CAUGHT_UP_ENTRIES - 1 };
    expect(best({ id: "b", wish: 9, failures: 1 }, { id: "c", ...far })).toBe("c");
    expect(best({ id: "b", wish: 9, failures: 1 }, { id: "c", failures: 1 })).toBe("b");
    expect(best({ id: "b", wish: 9, failures: 2 }, { id: "c", failures: 1 })).toBe("c");
  });

  test("does not exist without other voters", () => {
    expect(best()).toBeUndefined();
  });
});

describe("a leader that is wanted less than another voter", () => {
  test("hands over once that one has been fit for a while", () => {
    const succession = new Succession();
    const wanted = [{ id: "b", wish: 6 }];
    expect(succession.next(0, fieldOf(1_000, wanted))).toBeUndefined();
    expect(succession.next(0, fieldOf(PRIORITY_SETTLE_MS + 999, wanted))).toBeUndefined();
    expect(succession.next(0, fieldOf(PRIORITY_SETTLE_MS + 1_000, wanted))).toBe("b");
  });

  test.each([
    ["not heard", { lastContactMs: 5_000 - TIMEOUT }],
    ["far behind", { match: LAST - CAUGHT_UP_ENTRIES - 1 }],
    ["waiting for a snapshot", { snapshotIndex: 7 }],
  ])("waits anew when that one was %s in between", (_, lapse) => {
    const succession = new Succession();
    const wanted = { id: "b", wish: 6 };
    succession.next(0, fieldOf(0, [wanted]));
    succession.next(0, fieldOf(5_000, [{ ...wanted, ...lapse }]));
    succession.next(0, fieldOf(6_000, [wanted]));
    expect(succession.next(0, fieldOf(PRIORITY_SETTLE_MS, [wanted]))).toBeUndefined();
    expect(succession.next(0, fieldOf(PRIORITY_SETTLE_MS + 6_000, [wanted]))).toBe("b");
  });

  test("stays when they are wanted alike", () => {
    const succession = new Succession();
    const field = (now: number) => fieldOf(now, [{ id: "b", wish: 6 }]);
    succession.next(6, field(0));
    expect(succession.next(6, field(10 * PRIORITY_SETTLE_MS))).toBeUndefined();
  });

  test("pauses after a try that did not succeed, also in its next office", () => {
    const succession = new Succession();
    const field = (now: number) => fieldOf(now, [{ id: "b", wish: 6 }]);
    succession.next(0, field(0));
    expect(succession.next(0, field(PRIORITY_SETTLE_MS))).toBe("b");
    succession.pause(PRIORITY_SETTLE_MS);
    succession.restart();
    succession.next(0, field(PRIORITY_SETTLE_MS));
    const until = PRIORITY_SETTLE_MS + PRIORITY_RETRY_MS;
    expect(succession.next(0, field(until - 1))).toBeUndefined();
    expect(succession.next(0, field(until))).toBe("b");
  });

  test("knows whether it has to watch at all", () => {
    const succession = new Succession();
    succession.heard("b", 5);
    expect(succession.isAnyoneAbove(5)).toBe(false);
    expect(succession.isAnyoneAbove(4)).toBe(true);
    succession.forget("b");
    expect(succession.isAnyoneAbove(0)).toBe(false);
  });

  test("keeps in mind for one office who failed, and for ever who stops", () => {
    const succession = new Succession();
    expect(succession.knownOf("b")).toEqual({ wish: wishOf(0), failures: 0 });
    succession.heard("b", NO_OFFICE);
    succession.failed("b");
    expect(succession.knownOf("b")).toEqual({ wish: NO_OFFICE, failures: 1 });
    succession.restart();
    expect(succession.knownOf("b")).toEqual({ wish: NO_OFFICE, failures: 0 });
  });
});
