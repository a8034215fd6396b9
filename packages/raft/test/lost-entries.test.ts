/**
 * A follower whose disk has lost what it had vouched for. Its own disk may show nothing of it; the
 * leader knows, and says so. Until then it would be served by nobody: what it lacks counts as there.
 */
import { describe, expect, test } from "vitest";
import type { Message, Raft } from "../src/index.ts";
import { acknowledge, entriesOf, newLeader, newRaft, settle, tell, types } from "./fixture.ts";

/** Entry 3 is on all disks, and everybody knows that it is committed. */
function leaderAtRest(sketch: Parameters<typeof newLeader>[0] = {}): Raft {
  const raft = newLeader({ terms: [1, 1], ...sketch });
  for (let twice = 0; twice < 2; twice++) {
    for (const id of ["b", "c"]) acknowledge(raft, id, 3);
    settle(raft);
  }
  return raft;
}

/** `b` starts again with a log that ends at `last`, and is asked where it stands. */
function comesBack(raft: Raft, last: number): Message[] {
  raft.peerConnected("b");
  tell(raft, { type: "heartbeatReply", from: "b", term: 2, round: 1 });
  return refuses(raft, last);
}

function refuses(raft: Raft, last: number): Message[] {
  const rejected = { prev: 3, hint: { term: 1, index: last } };
  return tell(raft, { type: "appendReply", from: "b", term: 2, match: 0, durable: 0, rejected });
}

describe("the leader", () => {
  test("tells it, as often as it says that it lacks them", () => {
    const raft = leaderAtRest();
    expect(comesBack(raft, 2)).toMatchObject([{ type: "lostEntries", to: "b", term: 2, index: 3 }]);
    expect(types(refuses(raft, 2))).toEqual(["lostEntries b"]);
  });

  test("tells it also when it was being sent more", () => {
    const raft = leaderAtRest();
    raft.propose(new Uint8Array(1));
    settle(raft);
    const rejected = { prev: 4, hint: { term: 1, index: 2 } };
    const refusal = { type: "appendReply", from: "b", term: 2, match: 0, durable: 0 } as const;
    expect(types(tell(raft, { ...refusal, rejected }))).toEqual(["append b"]);
    expect(types(refuses(raft, 2))).toEqual(["lostEntries b"]);
  });

  test("says nothing to one that lacks what it had not fsynced", () => {
    const raft = newLeader({ terms: [1, 1] });
    tell(raft, { type: "appendReply", from: "b", term: 2, match: 3, durable: 2 });
    settle(raft);
    expect(types(comesBack(raft, 2))).toEqual(["append b"]);
  });

  test("says nothing where entries are acknowledged before they are fsynced", () => {
    const raft = leaderAtRest({ commitBy: "match" });
    expect(types(comesBack(raft, 2))).not.toContain("lostEntries b");
  });
});

describe("the follower", () => {
  const word = { type: "lostEntries", from: "b", term: 2, index: 3 } as const;

  function following(terms: readonly number[]): Raft {
    const raft = newRaft({ terms });
    tell(raft, { type: "heartbeat", from: "b", term: 2, commit: 0, round: 1 });
    return raft;
  }

  function lostBy(raft: Raft, message: Message): number | undefined {
    raft.step(message);
    return raft.hasReady() ? raft.takeReady().lost : undefined;
  }

  test("hands it to its caller, once", () => {
    const raft = following([1, 1]);
    expect(lostBy(raft, { ...word, to: "a" })).toBe(3);
    expect(raft.hasReady()).toBe(false);
  });

  test("does not believe it of what it has", () => {
    const raft = following([1, 1]);
    raft.step({
      type: "append",
      from: "b",
      to: "a",
      term: 2,
      prev: { term: 1, index: 2 },
      entries: entriesOf(3, 2),
      commit: 0,
    });
    settle(raft);
    expect(lostBy(raft, { ...word, to: "a" })).toBeUndefined();
  });

  test("does not believe it of anybody but its leader", () => {
    const raft = following([1, 1]);
    expect(lostBy(raft, { ...word, from: "c", to: "a" })).toBeUndefined();
    const alone = newRaft({ terms: [1, 1], term: 2 });
    expect(lostBy(alone, { ...word, to: "a" })).toBeUndefined();
  });
});
