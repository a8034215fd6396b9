/** Whose turn a backup is: a deterministic order, and how long each waits for those before it. */
import { describe, expect, test } from "vitest";
import { TURN_MS_MAX, TURN_MS_MIN } from "../../src/backup/limits.ts";
import { isTurn, orderOf, turnMs } from "../../src/backup/turn.ts";
import type { MemberStatus } from "../../src/operations/broker.ts";

const MINUTE = 60_000;

type State = "cannot" | "can" | "makes";

/** After how many turns of waiting each of a, b, c begins, when the others have said this. */
function turns(said: Partial<Record<string, State>>): readonly (number | undefined)[] {
  return ["a", "b", "c"].map((self) => {
    const others = Object.entries(said).filter(([id]) => id !== self);
    const reports = new Map(others.map(([id, state]) => [id, { state: state as State }]));
    const given = { order: ["a", "b", "c"], self, reports, turnMs: MINUTE };
    const waits = [0, 1, 2].filter((each) => isTurn({ ...given, waitedMs: each * MINUTE }));
    const [first] = waits;
    if (first !== undefined && first > 0) {
      expect(isTurn({ ...given, waitedMs: first * MINUTE - 1 })).toBe(false);
    }
    return first;
  });
}

describe("the order", () => {
  const member = (id: string, role: MemberStatus["role"]) => ({ id, role });

  test("is followers by their names, then learners, then the leader", () => {
    const members = [
      member("a", "leader"),
      member("b", "learner"),
      member("d", "follower"),
      member("c", "unknown"),
    ];
    expect(orderOf(members)).toEqual(["c", "d", "b", "a"]);
    expect(orderOf(members.toReversed())).toEqual(["c", "d", "b", "a"]);
  });
});

describe("a turn", () => {
  test("is each one's after another when all are well, so that the first makes it", () => {
    expect(turns({ a: "can", b: "can", c: "can" })).toEqual([0, 1, 2]);
  });

  test("is at once for who stands behind nobody but those who cannot", () => {
    expect(turns({ a: "cannot", b: "can", c: "can" }).slice(1)).toEqual([0, 1]);
    expect(turns({ a: "cannot", b: "cannot", c: "can" })[2]).toBe(0);
  });

  test("of who is silent passes", () => {
    expect(turns({ b: "can", c: "can" }).slice(1)).toEqual([1, 2]);
    expect(turns({ a: "cannot", c: "can" })[2]).toBe(1);
  });

  test("is nobody's while somebody makes one, wherever that one stands", () => {
    expect(turns({ c: "makes" }).slice(0, 2)).toEqual([undefined, undefined]);
    expect(turns({ a: "makes" }).slice(1)).toEqual([undefined, undefined]);
  });

  test("is not of who is no member", () => {
    const order = ["a"];
    const all = { order, reports: new Map(), waitedMs: 1e12, turnMs: 1 };
    expect(isTurn({ ...all, self: "b" })).toBe(false);
    expect(isTurn({ ...all, self: "a" })).toBe(true);
  });

  test("is a tenth of the interval long, within bounds", () => {
    expect(turnMs(10 * MINUTE)).toBe(MINUTE);
    expect(turnMs(1000)).toBe(TURN_MS_MIN);
    expect(turnMs(24 * 60 * MINUTE)).toBe(TURN_MS_MAX);
  });
});
