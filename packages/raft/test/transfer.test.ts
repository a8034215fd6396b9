/** §3.10 leadership transfer, from both sides; and nodes that want no office. */
import { describe, expect, test } from "vitest";
import { type Raft, TRANSFER_MS_MAX } from "../src/index.ts";
import { bytes, encodeMembership } from "./disk.ts";
import { acknowledge, newLeader, newRaft, type Sketch, settle, tell, types } from "./fixture.ts";

const NOTHING = { term: 0, index: 0 };
const heartbeat = { type: "heartbeat", from: "b", term: 1, commit: 0, round: 1 } as const;

function leaderOf(sketch: Sketch = {}): Raft {
  const raft = newLeader(sketch);
  for (const id of ["b", "c"]) acknowledge(raft, id, 1);
  settle(raft);
  return raft;
}

describe("the leader that hands over", () => {
  test("asks a target that has everything at once, and takes no proposals", () => {
    const raft = leaderOf();
    expect(raft.transferLeadership("b")).toBe("started");
    expect(raft.transferee).toBe("b");
    expect(types(settle(raft).messages)).toEqual(["timeoutNow b"]);
    expect(raft.propose(bytes("x"))).toBe("transferring");
    const grown = encodeMembership({ voters: ["a", "b", "c"], learners: ["d"] });
    expect(raft.proposeMembership(grown)).toBe("transferring");
    expect(raft.lastIndex).toBe(1);
  });

  test("brings a target that lags up to date first", () => {
    const raft = leaderOf();
    raft.propose(bytes("x"));
    settle(raft);
    acknowledge(raft, "c", 2);
    raft.transferLeadership("b");
    expect(types(settle(raft).messages)).toEqual([]);
    expect(types(acknowledge(raft, "b", 2).messages)).toContain("timeoutNow b");
  });

  test("asks again with each round of heartbeats, which go on, as do reads", () => {
    const raft = leaderOf();
    raft.transferLeadership("b");
    settle(raft);
    raft.tick(raft.nextDeadline());
    const { messages } = settle(raft);
    expect(types(messages)).toEqual(["heartbeat b", "heartbeat c", "timeoutNow b"]);
    const id = raft.requestRead();
    expect(types(settle(raft).messages)).toEqual(["heartbeat b", "heartbeat c"]);
    raft.step({ type: "heartbeatReply", from: "c", to: "a", term: 1, round: 2 });
    expect(settle(raft).reads).toEqual([{ id, index: 1 }]);
    expect(raft.transferee).toBe("b");
  });

  test("gives up after an election timeout, and everything is as before", () => {
    const raft = leaderOf();
    raft.tick(1050);
    settle(raft);
    raft.transferLeadership("b");
    settle(raft);
    let now = raft.nextDeadline();
    for (; now < 2050; now = raft.nextDeadline()) {
      raft.tick(now);
      settle(raft);
      tell(raft, { type: "heartbeatReply", from: "c", term: 1, round: 1 });
    }
    expect([now, raft.transferee]).toEqual([2050, "b"]);
    raft.tick(now);
    expect([raft.role, raft.transferee]).toEqual(["leader", undefined]);
    expect(raft.propose(bytes("x"))).toEqual({ term: 1, index: 2 });
  });

  test("gives up long before the election timeout in a patient cluster", () => {
    const raft = leaderOf({ electionTimeoutMs: 60_000 });
    const start = 60_050;
    raft.tick(start);
    settle(raft);
    raft.transferLeadership("b");
    let now = raft.nextDeadline();
    for (; now < start + TRANSFER_MS_MAX; now = raft.nextDeadline()) {
      raft.tick(now);
      settle(raft);
    }
    expect([now, raft.transferee]).toEqual([start + TRANSFER_MS_MAX, "b"]);
    raft.tick(now);
    expect([raft.role, raft.transferee]).toEqual(["leader", undefined]);
  });

  test("is deposed by the target's higher term", () => {
    const raft = leaderOf();
    raft.transferLeadership("b");
    settle(raft);
    const vote = { type: "vote", from: "b", term: 2, last: { term: 1, index: 1 } } as const;
    expect(tell(raft, { ...vote, transfer: false })).toEqual([]);
    expect(tell(raft, { ...vote, transfer: true })).toMatchObject([{ granted: true }]);
    expect([raft.role, raft.transferee]).toEqual(["follower", undefined]);
  });

  test("refuses who cannot have it", () => {
    expect(newRaft().transferLeadership("b")).toBe("notLeader");
    const raft = leaderOf({ learners: ["d"] });
    expect(raft.transferLeadership("a")).toBe("isLeader");
    expect(raft.transferLeadership("d")).toBe("notVoter");
    expect(raft.transferLeadership("z")).toBe("notVoter");
    expect(raft.transferLeadership("b")).toBe("started");
    expect(raft.transferLeadership("c")).toBe("pending");
    const changing = leaderOf();
    changing.proposeMembership(encodeMembership({ voters: ["a", "b"], learners: [] }));
    expect(changing.transferLeadership("b")).toBe("pending");
    settle(changing);
    acknowledge(changing, "b", 2);
    expect(changing.transferLeadership("c")).toBe("notVoter");
  });
});

describe("the target", () => {
  const timeoutNow = { type: "timeoutNow", from: "b", term: 1 } as const;

  test("campaigns at once, without a pre-vote, and says why", () => {
    const raft = newRaft();
    tell(raft, heartbeat);
    expect(tell(raft, timeoutNow)).toMatchObject([
      { type: "vote", to: "b", term: 2, transfer: true },
      { type: "vote", to: "c", term: 2, transfer: true },
    ]);
    expect(raft.role).toBe("candidate");
  });

  test("does not when it is no voter, follows somebody else, or nobody", () => {
    const learner = newRaft({ voters: ["b", "c"], learners: ["a"] });
    tell(learner, heartbeat);
    const nobody = newRaft({ term: 1 });
    const other = newRaft();
    tell(other, { ...heartbeat, from: "c" });
    const later = newRaft();
    tell(later, { ...heartbeat, term: 2 });
    for (const raft of [learner, nobody, other, later]) {
      tell(raft, timeoutNow);
      expect(raft.role).toBe("follower");
    }
    tell(nobody, { ...timeoutNow, term: 7 });
    expect([nobody.role, nobody.term]).toEqual(["follower", 7]);
  });

  test("asks by a pre-vote again when the campaign failed", () => {
    const raft = newRaft();
    tell(raft, heartbeat);
    tell(raft, timeoutNow);
    raft.tick(raft.nextDeadline());
    expect(types(settle(raft).messages)).toEqual(["preVote b", "preVote c"]);
  });
});

describe("a vote for a transfer", () => {
  test("is given although the leader is heard, by all the other rules", () => {
    const vote = { type: "vote", from: "c", term: 2, last: NOTHING } as const;
    const raft = newRaft();
    tell(raft, heartbeat);
    expect(tell(raft, vote)).toEqual([]);
    expect(tell(raft, { ...vote, transfer: true })).toMatchObject([{ granted: true }]);
    expect(tell(raft, { ...vote, from: "b", transfer: true })).toMatchObject([{ granted: false }]);
    const ahead = newRaft({ terms: [1] });
    expect(tell(ahead, { ...vote, transfer: true })).toMatchObject([{ granted: false }]);
  });
});

describe("a node that stopped campaigning", () => {
  test("stands for no election, not even when asked, and still votes", () => {
    const raft = newRaft();
    raft.setCampaigning(false);
    for (let i = 0; i < 5; i++) raft.tick(raft.nextDeadline());
    expect([raft.role, settle(raft).messages]).toEqual(["follower", []]);
    tell(raft, heartbeat);
    tell(raft, { type: "timeoutNow", from: "b", term: 1 });
    expect(raft.role).toBe("follower");
    const vote = { type: "vote", from: "c", term: 2, last: NOTHING, transfer: true } as const;
    expect(tell(raft, vote)).toMatchObject([{ granted: true }]);
  });

  test("withdraws from the one it stands for, and keeps an office it has", () => {
    const raft = newRaft();
    raft.tick(1000);
    settle(raft);
    raft.setCampaigning(false);
    tell(raft, { type: "preVoteReply", from: "b", term: 0, granted: true });
    expect(raft.role).toBe("follower");
    const leader = leaderOf();
    leader.setCampaigning(false);
    expect([leader.role, leader.transferLeadership("b")]).toEqual(["leader", "started"]);
  });
});
