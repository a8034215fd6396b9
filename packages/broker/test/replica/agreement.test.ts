import { describe, expect, test } from "vitest";
import { Agreement, type Claim } from "../../src/replica/agreement.ts";
import { EFFECT_HASHES_KEPT } from "../../src/replica/limits.ts";

const TIMEOUT = 1_000;
const THREE = ["a", "b", "c"];

const claim = (index: number, effectHash = `h${index}`) => ({ index, effectHash });

/** Node a, which has applied the entries up to `last`. */
function upTo(last: number, voters: readonly string[] = THREE) {
  const agreement = new Agreement(claim(0), TIMEOUT, () => voters);
  for (let index = 1; index <= last; index++) agreement.applied(claim(index), 0);
  const say = (by: string, said: Claim, heardMs = 0, term = 1) => ({ ...said, by, term, heardMs });
  return {
    agreement,
    applied: (own: Claim, now = 0) => agreement.applied(own, now),
    installed: (own: Claim, now = 0) => agreement.installed(own, now),
    leaderSays: (said: Claim, now = 0, term = 1) => agreement.leaderSays(say("b", said, now, term)),
    memberSays: (by: string, said: Claim, now = 0) => agreement.memberSays(say(by, said, now)),
    found: () => agreement.takeFound().map(({ by, index }) => `${by} ${index}`),
  };
}

describe("a follower that differs from its leader", () => {
  const divergence = (index: number) => ({ index, own: `h${index}`, leaders: "other" });

  test("stops when that has said so again an election timeout later", () => {
    const { leaderSays } = upTo(10);
    expect(leaderSays(claim(7), 0)).toBeUndefined();
    expect(leaderSays(claim(8, "other"), 100)).toBeUndefined();
    expect(leaderSays(claim(8, "other"), 100 + TIMEOUT - 1)).toBeUndefined();
    expect(leaderSays(claim(8, "other"), 100 + TIMEOUT)).toEqual(divergence(8));
  });

  test("stops by a word about a later entry, too", () => {
    const { leaderSays } = upTo(10);
    leaderSays(claim(7, "other"), 0);
    expect(leaderSays(claim(9, "other"), TIMEOUT)).toEqual(divergence(9));
  });

  test("goes on when they agree in between, or another one leads", () => {
    const { leaderSays } = upTo(10);
    leaderSays(claim(7, "other"), 0);
    leaderSays(claim(7), 500);
    expect(leaderSays(claim(7, "other"), TIMEOUT)).toBeUndefined();
    expect(leaderSays(claim(7, "other"), 2 * TIMEOUT, 2)).toBeUndefined();
    expect(leaderSays(claim(7, "other"), 3 * TIMEOUT, 2)).toEqual(divergence(7));
  });

  test("compares what was said of a later entry once it is there", () => {
    const { applied, leaderSays } = upTo(10);
    leaderSays(claim(9, "other"), 0);
    expect(leaderSays(claim(12, "other"), TIMEOUT)).toBeUndefined();
    expect(applied(claim(11), TIMEOUT)).toBeUndefined();
    expect(applied(claim(12), TIMEOUT + 5)).toEqual(divergence(12));
    expect(applied(claim(13), TIMEOUT + 6)).toBeUndefined();
  });

  test("does not stop by what it only now finds to have been said long ago", () => {
    const { applied, leaderSays } = upTo(10);
    leaderSays(claim(12, "other"), 0);
    expect(applied(claim(12), 5 * TIMEOUT)).toBeUndefined();
    expect(leaderSays(claim(12, "other"), 6 * TIMEOUT - 1)).toBeUndefined();
    expect(leaderSays(claim(12, "other"), 6 * TIMEOUT)).toEqual(divergence(12));
  });

  test("finds it although it is always a little behind", () => {
    const { applied, leaderSays } = upTo(10);
    let found = 0;
    for (let index = 11; index < 100; index++) {
      const now = 100 * index;
      leaderSays(claim(index + 5, "other"), now);
      if (applied(claim(index), now) !== undefined) found++;
    }
    expect(found).toBeGreaterThan(5);
  });

  test("has nothing to say of what it applied long ago", () => {
    const { leaderSays } = upTo(EFFECT_HASHES_KEPT + 5);
    leaderSays(claim(6, "other"), 0);
    expect(leaderSays(claim(5, "other"), TIMEOUT)).toBeUndefined();
    expect(leaderSays(claim(6, "other"), TIMEOUT)).toBeDefined();
  });

  test("has nothing to say of what came as part of a snapshot, nor of the time before", () => {
    const { installed, leaderSays } = upTo(10);
    leaderSays(claim(10, "other"), 0);
    leaderSays(claim(15, "other"), 0);
    expect(installed(claim(20), TIMEOUT)).toBeUndefined();
    for (const index of [7, 15]) {
      expect(leaderSays(claim(index, "other"), TIMEOUT)).toBeUndefined();
      expect(leaderSays(claim(index, "other"), 3 * TIMEOUT)).toBeUndefined();
    }
    expect(leaderSays(claim(20, "other"), 3 * TIMEOUT)).toBeUndefined();
    expect(leaderSays(claim(20, "other"), 4 * TIMEOUT)).toEqual(divergence(20));
  });

  test("compares a snapshot itself with what the leader said of that entry", () => {
    const { installed, leaderSays } = upTo(10);
    leaderSays(claim(20, "other"), 0);
    expect(installed(claim(20), 500)).toBeUndefined();
    expect(leaderSays(claim(20, "other"), 500 + TIMEOUT)).toEqual(divergence(20));
  });

  test("is not one before the first entry", () => {
    const { leaderSays } = upTo(0);
    leaderSays(claim(0), 0);
    expect(leaderSays(claim(0), TIMEOUT)).toBeUndefined();
  });
});

describe("a leader", () => {
  test("notices a member that differs, once, and counts it", () => {
    const { agreement, found, memberSays } = upTo(10, ["a", "b", "c", "d", "e"]);
    memberSays("b", claim(8));
    expect(found()).toEqual([]);
    memberSays("b", claim(9, "other"));
    memberSays("b", claim(10, "other"));
    memberSays("c", claim(10, "else"));
    expect(found()).toEqual(["b 9", "c 10"]);
    expect(found()).toEqual([]);
    expect(agreement.divergences).toBe(2);
  });

  test("counts it again when it had been set right meanwhile, or replaced", () => {
    const { agreement, memberSays } = upTo(10);
    memberSays("b", claim(8, "other"));
    memberSays("b", claim(9));
    memberSays("b", claim(10, "other"));
    expect(agreement.divergences).toBe(2);
    agreement.forget("b");
    memberSays("b", claim(10, "other"));
    expect(agreement.divergences).toBe(3);
  });

  test("judges what it has not applied itself as soon as it has", () => {
    const { applied, found, memberSays } = upTo(10);
    memberSays("b", claim(11, "other"));
    memberSays("b", claim(12));
    expect(found()).toEqual([]);
    applied(claim(11), 50);
    expect(found()).toEqual(["b 11"]);
  });

  test("stops when a quorum of voters contradicts it", () => {
    const { memberSays } = upTo(10);
    expect(memberSays("b", claim(9, "x"))).toBeUndefined();
    expect(memberSays("c", claim(9, "x"))).toEqual({ index: 9, own: "h9", leaders: "x" });
  });

  test("stops also when they never speak of the same entry, and when it is behind them", () => {
    const { applied, memberSays } = upTo(10);
    memberSays("b", claim(9, "x"));
    expect(memberSays("c", claim(11, "y"), 50)).toBeUndefined();
    expect(applied(claim(11), 100)).toEqual({ index: 11, own: "h11", leaders: "y" });
  });

  test("goes on when those who contradict it are too few for a quorum", () => {
    const two = upTo(10, ["a", "b"]);
    expect(two.memberSays("b", claim(9, "x"))).toBeUndefined();
    const five = upTo(10, ["a", "b", "c", "d", "e"]);
    for (const id of ["b", "c"]) expect(five.memberSays(id, claim(9, "x"))).toBeUndefined();
    expect(five.memberSays("d", claim(9))).toBeUndefined();
    expect(five.memberSays("e", claim(9, "x"))).toBeDefined();
  });

  test("goes on when they contradict each other as well", () => {
    const three = upTo(10);
    three.memberSays("b", claim(9, "x"));
    expect(three.memberSays("c", claim(9, "y"))).toBeUndefined();
    const five = upTo(10, ["a", "b", "c", "d", "e"]);
    five.memberSays("b", claim(8, "x"));
    five.memberSays("c", claim(8, "y"));
    expect(five.memberSays("d", claim(9, "z"))).toBeUndefined();
  });

  test("counts neither learners nor what was said long ago", () => {
    const { memberSays } = upTo(10);
    memberSays("b", claim(9, "x"), 0);
    expect(memberSays("d", claim(9, "x"), 10)).toBeUndefined();
    expect(memberSays("c", claim(9, "x"), TIMEOUT)).toBeUndefined();
    expect(memberSays("b", claim(9, "x"), 2 * TIMEOUT - 1)).toBeDefined();
  });
});
