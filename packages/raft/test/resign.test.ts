/** A leader that gives up its office by itself, and what it then still does and does not. */
import { describe, expect, test } from "vitest";
import type { Raft } from "../src/index.ts";
import { bytes } from "./disk.ts";
import { acknowledge, newLeader, newRaft, type Sketch, settle, tell, types } from "./fixture.ts";

/** All voters have its first entry. */
function leaderOf(sketch: Sketch = {}): Raft {
  const raft = newLeader(sketch);
  for (const id of raft.membership.voters) if (id !== "a") acknowledge(raft, id, 1);
  settle(raft);
  return raft;
}

describe("a leader that resigns", () => {
  test("is follower of nobody in the same term, and asks the voter that is the furthest", () => {
    const raft = leaderOf();
    raft.propose(bytes("x"));
    settle(raft);
    acknowledge(raft, "c", 2);
    raft.resign();
    expect([raft.role, raft.term, raft.leader]).toEqual(["follower", 1, undefined]);
    expect(types(settle(raft).messages)).toEqual(["timeoutNow c"]);
  });

  test("does so at once, though nobody can be asked", () => {
    const raft = leaderOf();
    // Nobody was heard for an election timeout, but this tick is late, so it leads yet.
    raft.tick(2_050);
    settle(raft);
    expect(raft.role).toBe("leader");
    raft.resign();
    expect(raft.role).toBe("follower");
    expect(settle(raft).messages).toEqual([]);
  });

  test("takes no proposals any more, and keeps the entries that it has", () => {
    const raft = leaderOf();
    raft.propose(bytes("x"));
    raft.resign();
    expect(raft.propose(bytes("y"))).toBe("notLeader");
    const { batches } = settle(raft);
    expect(batches.flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([2]);
    expect([raft.lastIndex, raft.commit]).toEqual([2, 1]);
  });

  test("commits nothing by the acknowledgements that come afterwards", () => {
    const raft = leaderOf();
    raft.propose(bytes("x"));
    settle(raft);
    raft.resign();
    for (const id of ["b", "c"]) expect(acknowledge(raft, id, 2).committed).toEqual([]);
    expect(raft.commit).toBe(1);
  });

  test("confirms no read that waits, its own or a follower's", () => {
    const raft = leaderOf();
    const id = raft.requestRead();
    tell(raft, { type: "readIndex", from: "b", term: 1, id: 7 });
    settle(raft);
    raft.resign();
    expect(settle(raft).reads).toEqual([{ id, index: undefined }]);
    const said = tell(raft, { type: "heartbeatReply", from: "b", term: 1, round: 1 });
    expect([said, settle(raft).reads]).toEqual([[], []]);
    expect(tell(raft, { type: "readIndex", from: "b", term: 1, id: 8 })).toEqual([]);
  });

  test("in the middle of a transfer leaves the target its chance", () => {
    const raft = leaderOf();
    raft.transferLeadership("b");
    expect(types(settle(raft).messages)).toEqual(["timeoutNow b"]);
    raft.resign();
    settle(raft);
    expect(raft.transferee).toBeUndefined();
    const last = { term: 1, index: 1 };
    const vote = { type: "vote", from: "b", term: 2, last, transfer: true } as const;
    expect(tell(raft, vote)).toMatchObject([{ type: "voteReply", granted: true }]);
  });

  test("helps another at once, for it trusts no leader", () => {
    const raft = leaderOf();
    raft.resign();
    settle(raft);
    const last = { term: 1, index: 1 };
    const preVote = { type: "preVote", from: "c", term: 2, last } as const;
    expect(tell(raft, preVote)).toMatchObject([{ type: "preVoteReply", granted: true }]);
    expect(tell(raft, { ...preVote, type: "vote" })).toMatchObject([{ granted: true }]);
  });

  test("stands again after an election timeout, if it may", () => {
    const raft = leaderOf();
    raft.resign();
    raft.setCampaigning(false);
    settle(raft);
    for (let i = 0; i < 5; i++) raft.tick(raft.nextDeadline());
    expect([raft.role, settle(raft).messages]).toEqual(["follower", []]);
    raft.setCampaigning(true);
    raft.tick(raft.nextDeadline());
    expect(types(settle(raft).messages)).toEqual(["preVote b", "preVote c"]);
  });
});

test("whoever does not lead has no office to resign from", () => {
  const raft = newRaft();
  tell(raft, { type: "heartbeat", from: "b", term: 1, commit: 0, round: 1 });
  raft.resign();
  expect([raft.role, raft.leader]).toEqual(["follower", "b"]);
  raft.tick(raft.nextDeadline());
  raft.resign();
  expect(raft.role).toBe("preCandidate");
});
