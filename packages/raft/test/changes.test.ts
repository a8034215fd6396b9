/** Membership changes, one leader at a time: what is refused, who counts, who leaves and when. */
import { describe, expect, test } from "vitest";
import type { Membership, Message, Raft } from "../src/index.ts";
import { bytes, encodeMembership } from "./disk.ts";
import { acknowledge, newLeader, newRaft, type Sketch, settle, tell, types } from "./fixture.ts";

const of = (voters: string, learners = ""): Membership => {
  return { voters: voters.split("").sort(), learners: learners.split("") };
};
const change = (raft: Raft, voters: string, learners = "") => {
  return raft.proposeMembership(encodeMembership(of(voters, learners)));
};

/** A leader whose first entry is committed. */
function leaderOf(sketch: Sketch = {}): Raft {
  const raft = newLeader(sketch);
  const others = raft.membership.voters.filter((id) => id !== raft.id);
  for (const id of others) acknowledge(raft, id, raft.lastIndex);
  settle(raft);
  expect(raft.hasCommittedInTerm).toBe(true);
  return raft;
}

function to(id: string, messages: readonly Message[]): string[] {
  return messages.filter((message) => message.to === id).map(({ type }) => type);
}

describe("a membership is refused", () => {
  test("by a node that does not lead", () => {
    expect(change(newRaft(), "abcd")).toBe("notLeader");
  });

  test("before an entry of the term is committed (Ongaro's erratum of 2015)", () => {
    const raft = newLeader({ terms: [1, 1] });
    expect(change(raft, "abcd")).toBe("notReady");
    acknowledge(raft, "b", 2);
    expect(change(raft, "abcd")).toBe("notReady");
    acknowledge(raft, "b", 3);
    expect(change(raft, "abcd")).toEqual({ term: 2, index: 4 });
  });

  test("while an earlier one is not committed", () => {
    const raft = leaderOf();
    expect(change(raft, "abc", "d")).toEqual({ term: 1, index: 2 });
    expect(change(raft, "abcd")).toBe("pending");
    settle(raft);
    acknowledge(raft, "b", 2);
    expect(change(raft, "abcd")).toEqual({ term: 1, index: 3 });
  });

  test("if it is more than one voter away, or names none", () => {
    const raft = leaderOf({ learners: ["x", "y"] });
    for (const voters of ["abxy", "a", "bcx", "x", ""])
      expect(change(raft, voters)).toBe("tooMuch");
    expect(raft.membershipIndex).toBe(0);
    expect(change(raft, "ab", "cyz")).toEqual({ term: 1, index: 2 });
  });

  test("when too much waits to be committed", () => {
    const raft = leaderOf({ maxUncommittedBytes: 20 });
    raft.propose(bytes("much too long"));
    expect(change(raft, "abcd")).toBe("overloaded");
  });

  test("with an exception if it is not sound, and nothing has happened", () => {
    const raft = leaderOf();
    const twice = encodeMembership({ voters: ["a", "b", "c"], learners: ["c"] });
    expect(() => raft.proposeMembership(twice)).toThrow("names c both as voter and as learner");
    expect([raft.lastIndex, raft.membership.learners]).toEqual([1, []]);
  });
});

describe("a membership is in force", () => {
  test("from the moment it is appended: a promoted learner counts at once", () => {
    const raft = leaderOf({ voters: ["a", "b"], learners: ["c"] });
    acknowledge(raft, "c", 1);
    change(raft, "abc");
    expect([raft.membership, raft.membershipIndex]).toEqual([of("abc"), 2]);
    settle(raft);
    expect(acknowledge(raft, "c", 2).committed).toMatchObject([{ index: 2 }]);
  });

  test("so a removed one does not count any more", () => {
    const raft = leaderOf();
    change(raft, "ab");
    settle(raft);
    expect(acknowledge(raft, "c", 2).committed).toEqual([]);
    expect(acknowledge(raft, "b", 2).committed).toHaveLength(1);
  });

  test("and a leader hears reads and silence by it", () => {
    const raft = leaderOf({ voters: ["a", "b"], learners: ["c"] });
    change(raft, "ab", "cd");
    settle(raft);
    acknowledge(raft, "b", 2);
    change(raft, "a", "bcd");
    settle(raft);
    expect(raft.commit).toBe(3);
    raft.tick(9_000);
    raft.tick(20_000);
    expect(raft.role).toBe("leader");
    const id = raft.requestRead();
    expect(settle(raft).reads).toEqual([{ id, index: 3 }]);
  });
});

describe("from one to three and back", () => {
  test("a sole voter takes in learners, promotes them, and needs them from then on", () => {
    const raft = newRaft({ voters: ["a"] });
    raft.tick(0);
    settle(raft);
    expect(change(raft, "a", "b")).toEqual({ term: 1, index: 2 });
    const { messages } = settle(raft);
    expect(raft.commit).toBe(2);
    // Whoever joins has nothing.
    const [append] = messages;
    expect(append).toMatchObject({ type: "append", to: "b", prev: { term: 0, index: 0 } });
    acknowledge(raft, "b", 2);
    change(raft, "ab");
    settle(raft);
    expect(raft.commit).toBe(2);
    acknowledge(raft, "b", 3);
    expect(raft.commit).toBe(3);
    change(raft, "a");
    settle(raft);
    expect(raft.commit).toBe(4);
  });

  test("who joins when the log was compacted is told to fetch a snapshot", () => {
    const raft = leaderOf({ terms: [1, 1, 1], applied: 3 });
    raft.compacted(3);
    change(raft, "abc", "d");
    const joiner = settle(raft).messages.filter((message) => message.to === "d");
    expect(joiner).toMatchObject([{ type: "installSnapshot", index: 3, sources: ["b", "c", "a"] }]);
  });
});

describe("a member that was removed", () => {
  function removing(): Raft {
    const raft = leaderOf();
    change(raft, "ab");
    expect(to("c", settle(raft).messages)).toEqual(["append"]);
    expect(raft.status().map(({ id }) => id)).toEqual(["a", "b"]);
    return raft;
  }

  test("is served until it can know that, but for no longer than an election timeout", () => {
    const raft = removing();
    acknowledge(raft, "c", 2);
    expect(to("c", acknowledge(raft, "b", 2).messages)).toEqual(["append"]);
    raft.tick(raft.nextDeadline());
    expect(to("c", settle(raft).messages)).toEqual(["heartbeat"]);
    tell(raft, { type: "heartbeatReply", from: "b", term: 1, round: 1 });
    raft.tick(2000);
    settle(raft);
    raft.tick(raft.nextDeadline());
    expect(to("c", settle(raft).messages)).toEqual([]);
  });

  test("gets no read index", () => {
    const raft = removing();
    acknowledge(raft, "b", 2);
    tell(raft, { type: "readIndex", from: "c", term: 1, id: 5 });
    tell(raft, { type: "readIndex", from: "b", term: 1, id: 6 });
    const answers = tell(raft, { type: "heartbeatReply", from: "b", term: 1, round: 1 });
    expect(types(answers)).toEqual(["readIndexReply b"]);
  });

  test("and is added again begins with nothing; a late answer changes nothing for good", () => {
    const raft = removing();
    acknowledge(raft, "b", 2);
    change(raft, "ab", "c");
    settle(raft);
    expect(raft.status()[2]).toMatchObject({ id: "c", match: 0 });
    const late = { type: "appendReply", from: "c", term: 1, match: 2, durable: 2 } as const;
    tell(raft, late);
    expect(raft.status()[2]).toMatchObject({ match: 2 });
    // In truth its disk is empty. It says so twice: to what was sent, and to the question then.
    const rejects = (prev: number) => {
      const rejected = { prev, hint: { term: 0, index: 0 } };
      return tell(raft, { ...late, match: 0, durable: 0, rejected });
    };
    rejects(3);
    expect(rejects(2)).toMatchObject([{ type: "append", to: "c", prev: { index: 0 } }]);
    expect(raft.status()[2]).toMatchObject({ match: 0 });
  });
});

describe("a leader that leaves itself out", () => {
  test("goes on until that is committed, without counting itself, and then hands over", () => {
    const raft = leaderOf();
    change(raft, "bc");
    settle(raft);
    // Its own disk and one of two voters are no majority.
    expect(acknowledge(raft, "b", 2).committed).toEqual([]);
    expect([raft.role, raft.commit]).toEqual(["leader", 1]);
    expect(raft.propose(bytes("x"))).toEqual({ term: 1, index: 3 });
    settle(raft);
    acknowledge(raft, "b", 3);
    const { messages, committed } = acknowledge(raft, "c", 2);
    expect(committed).toHaveLength(1);
    expect(types(messages)).toEqual(["append b", "append c", "timeoutNow b"]);
    expect([raft.role, raft.leader]).toEqual(["follower", undefined]);
    for (let i = 0; i < 5; i++) raft.tick(raft.nextDeadline());
    expect([raft.role, raft.term]).toEqual(["follower", 1]);
  });

  test("of two leaves one, who decides alone (2 to 1)", () => {
    const raft = leaderOf({ voters: ["a", "b"] });
    change(raft, "b");
    settle(raft);
    expect(raft.commit).toBe(1);
    const { messages } = acknowledge(raft, "b", 2);
    expect(types(messages)).toEqual(["append b", "timeoutNow b"]);
    expect(raft.role).toBe("follower");
  });

  test("who lost the office before that stands again, and is not counted (Figure 4.6)", () => {
    const raft = leaderOf({ voters: ["a", "b"] });
    change(raft, "b");
    settle(raft);
    tell(raft, { type: "heartbeatReply", from: "b", term: 4, round: 0 });
    raft.tick(raft.nextDeadline());
    expect(types(settle(raft).messages)).toEqual(["preVote b"]);
    tell(raft, { type: "preVoteReply", from: "b", term: 4, granted: true });
    expect(raft.role).toBe("candidate");
    tell(raft, { type: "voteReply", from: "b", term: 5, granted: true });
    expect(raft.role).toBe("leader");
  });
});
