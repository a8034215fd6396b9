/** What a leader does for a node that has lost data, by the members alone. */
import { describe, expect, test } from "vitest";
import { type ClusterMember, nextRejoinStep, type RejoinRequest } from "../../src/replica/index.ts";

function memberOf(id: string, incarnation: string, voter = true): ClusterMember {
  return { id, incarnation, bus: `${id}:1`, address: `${id}:2`, voter };
}

const { voter: _, ...BACK } = memberOf("b", "new");
const OTHERS = [memberOf("a", "a1"), memberOf("c", "c1")];
const ASKED: RejoinRequest = { former: "old", member: BACK, wish: "learner", confirmed: true };

function step(
  members: readonly ClusterMember[],
  change: Partial<RejoinRequest> = {},
  heard = false,
) {
  return nextRejoinStep({ members }, { ...ASKED, ...change }, (id) => id === "b" && heard);
}

describe("the next step for a node that comes back", () => {
  test("is to let it write down what it was, before anything is changed", () => {
    for (const voter of [true, false]) {
      const listed = [...OTHERS, memberOf("b", "old", voter)];
      expect(step(listed, { confirmed: false })).toEqual({ kind: "confirm", voter });
    }
  });

  test("is to remove the former incarnation, then to add the new one, then to promote it", () => {
    expect(step([...OTHERS, memberOf("b", "old")])).toEqual({ kind: "remove", id: "b" });
    expect(step(OTHERS)).toEqual({ kind: "add", member: BACK });
    const learner = [...OTHERS, memberOf("b", "new", false)];
    expect(step(learner)).toEqual({ kind: "done" });
    expect(step(learner, { wish: "voter" })).toEqual({ kind: "promote", id: "b" });
    const voter = [...OTHERS, memberOf("b", "new")];
    expect(step(voter, { wish: "voter" })).toEqual({ kind: "done" });
    expect(step(voter)).toEqual({ kind: "done" });
  });

  test("is to wait while the former incarnation is heard: somebody runs the original", () => {
    const listed = [...OTHERS, memberOf("b", "old")];
    for (const confirmed of [false, true]) {
      expect(step(listed, { confirmed }, true)).toMatchObject({
        kind: "wait",
        reason: expect.stringContaining("copy of one that is in use"),
      });
    }
  });

  test("is none for one that an operator has removed, or replaced", () => {
    expect(step(OTHERS, { confirmed: false })).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("b was removed"),
    });
    for (const confirmed of [false, true]) {
      expect(step([...OTHERS, memberOf("b", "third")], { confirmed })).toMatchObject({
        kind: "refused",
        reason: expect.stringContaining("b was replaced"),
      });
    }
  });
});
