/**
 * Sentences of the dissertation, second half: safety, crashes, membership, clients and pre-vote.
 * See `paper.test.ts` for the first half.
 */
import { describe, expect, test } from "vitest";
import { encodeMembership } from "./disk.ts";
import {
  acknowledge,
  elect,
  entriesOf,
  newLeader,
  newRaft,
  settle,
  tell,
  types,
} from "./fixture.ts";

const heartbeat = { type: "heartbeat", from: "b", commit: 0, round: 1 } as const;
const NOTHING = { term: 0, index: 0 };

describe("§3.6 (§5.4) safety", () => {
  test("§3.6.1 (§5.4.1) a voter denies its vote to a log that is behind: term, then length", () => {
    const logs = [[], [1], [1, 1], [1, 1, 1], [2], [1, 2], [1, 2, 2], [3], [1, 3]];
    for (const [own, other] of logs.flatMap((a) => logs.map((b) => [a, b] as const))) {
      const last = { term: other.at(-1) ?? 0, index: other.length };
      const ownTerm = own.at(-1) ?? 0;
      const isBehind = last.term < ownTerm || (last.term === ownTerm && last.index < own.length);
      for (const type of ["vote", "preVote"] as const) {
        const [answer] = tell(newRaft({ terms: own, term: 5 }), { type, from: "b", term: 6, last });
        expect(answer, `${own} asked by ${other}`).toMatchObject({ granted: !isBehind });
      }
    }
  });

  test("§3.6.2 (§5.4.2) entries of previous terms are never committed by counting replicas", () => {
    const raft = newLeader({ terms: [1, 2, 2] });
    expect([raft.term, raft.lastIndex]).toEqual([3, 4]);
    acknowledge(raft, "b", 3);
    acknowledge(raft, "c", 3);
    expect(raft.commit).toBe(0);
    acknowledge(raft, "b", 4);
    expect(raft.commit).toBe(4);
  });

  test("Figure 3.1: a follower's commit stops at the last entry verified in this term", () => {
    const raft = newRaft({ terms: [1, 1, 1] });
    tell(raft, { ...heartbeat, term: 2, commit: 3 });
    expect(raft.commit).toBe(0);
    const prev = { term: 1, index: 1 };
    const append = { type: "append", from: "b", term: 2, prev, entries: [] } as const;
    tell(raft, { ...append, commit: 3 });
    expect(raft.commit).toBe(1);
    tell(raft, { ...heartbeat, term: 2, commit: 3 });
    expect(raft.commit).toBe(1);
    const last = { term: 1, index: 3 };
    tell(raft, { ...append, prev: last, commit: 2 });
    expect(raft.commit).toBe(2);
    // What the old leader has verified counts nothing with the next one.
    tell(raft, { ...heartbeat, from: "c", term: 3, commit: 3 });
    expect(raft.commit).toBe(2);
  });
});

describe("§3.7, §3.8 crashes and what must be on disk", () => {
  test("§3.7 a repeated append does no harm and is acknowledged again", () => {
    const raft = newRaft();
    const append = { type: "append", from: "b", term: 1, prev: NOTHING, commit: 0 } as const;
    const first = tell(raft, { ...append, entries: entriesOf(1, 1) });
    expect(tell(raft, { ...append, entries: entriesOf(1, 1) })).toEqual(first);
  });

  test("§3.8 (Figure 3.1) term and vote are on disk before the answer leaves", () => {
    const raft = newRaft();
    raft.step({ type: "vote", from: "b", to: "a", term: 1, last: NOTHING, transfer: false });
    const ready = raft.takeReady();
    expect(ready.messages).toEqual([]);
    expect(ready.persist).toMatchObject({
      hardState: { term: 1, vote: "b" },
      messages: [{ type: "voteReply", granted: true }],
    });
    // Another message for the new term comes before the disk is done: it waits as well.
    raft.step({ ...heartbeat, to: "a", term: 1 });
    expect(raft.takeReady().messages).toEqual([]);
    raft.persisted(ready.persist!.seq, true);
    expect(raft.takeReady().messages).toMatchObject([{ type: "heartbeatReply" }]);
  });

  test("§3.8 a restarted server keeps its vote", () => {
    const raft = newRaft({ term: 4, vote: "c" });
    expect(tell(raft, { type: "vote", from: "b", term: 4, last: NOTHING })).toMatchObject([
      { granted: false },
    ]);
  });

  test("§3.8 entries are on disk before they are acknowledged", () => {
    const raft = newRaft({ term: 1 });
    const append = { type: "append", from: "b", to: "a", term: 1, commit: 0 } as const;
    raft.step({ ...append, prev: NOTHING, entries: entriesOf(1, 1, 1) });
    const first = raft.takeReady();
    raft.step({ ...append, prev: { term: 1, index: 2 }, entries: entriesOf(3, 1) });
    const second = raft.takeReady();
    expect([...first.messages, ...second.messages]).toEqual([]);
    raft.persisted(first.persist!.seq, true);
    expect(raft.takeReady().messages).toMatchObject([{ match: 2, durable: 2 }]);
    raft.persisted(second.persist!.seq, true);
    expect(raft.takeReady().messages).toMatchObject([{ match: 3, durable: 3 }]);
  });
});

describe("§4 membership", () => {
  const two = encodeMembership({ voters: ["a", "b"], learners: [] });
  const append = { type: "append", from: "b", term: 1, prev: NOTHING, commit: 0 } as const;
  const change = { term: 1, index: 1, kind: "membership", data: two } as const;

  test("§4.1 a server uses the newest membership in its log, committed or not", () => {
    const raft = newRaft();
    tell(raft, { ...append, entries: [change] });
    expect(raft.membership.voters).toEqual(["a", "b"]);
  });

  test("§4.1 when that entry is removed from the log, the one before holds again", () => {
    const raft = newRaft();
    tell(raft, { ...append, entries: [change] });
    tell(raft, { ...append, from: "c", term: 2, entries: entriesOf(1, 2) });
    expect(raft.membership.voters).toEqual(["a", "b", "c"]);
  });

  test("a membership entry found on disk is in force from the start", () => {
    const log = { base: 0, prev: NOTHING, tail: [change] };
    const raft = newRaft({ term: 1, ...{ log } });
    expect(raft.membership.voters).toEqual(["a", "b"]);
    elect(raft);
    expect(acknowledge(raft, "b", 2).committed).toHaveLength(2);
  });

  test("§4.2.1 a non-voting member receives the log and does not count", () => {
    const raft = newLeader({ voters: ["a", "b"], learners: ["c", "d"] });
    expect(acknowledge(raft, "c", 1).committed).toEqual([]);
    expect(acknowledge(raft, "d", 1).committed).toEqual([]);
    expect(acknowledge(raft, "b", 1).committed).toHaveLength(1);
  });

  test("a learner, or a node outside the membership, never campaigns", () => {
    for (const voters of [["b", "c"], ["b"]]) {
      const raft = newRaft({ voters, learners: voters.length === 1 ? ["a"] : [] });
      for (let i = 0; i < 10; i++) raft.tick(raft.nextDeadline());
      expect(settle(raft).messages).toEqual([]);
      expect([raft.role, raft.term]).toEqual(["follower", 0]);
    }
  });

  test("§4.2.3 whoever hears its leader ignores votes and pre-votes, and their terms", () => {
    const raft = newRaft({ now: 0 });
    tell(raft, { ...heartbeat, term: 1 });
    const last = { term: 9, index: 9 };
    raft.tick(999);
    expect(tell(raft, { type: "vote", from: "c", term: 8, last })).toEqual([]);
    expect(tell(raft, { type: "preVote", from: "c", term: 8, last })).toEqual([]);
    expect([raft.term, raft.leader]).toEqual([1, "b"]);
    const leader = newLeader();
    leader.tick(5000);
    expect(tell(leader, { type: "vote", from: "c", term: 8, last })).not.toContainEqual(
      expect.objectContaining({ type: "voteReply" }),
    );
    expect(leader.term).toBe(1);
    raft.tick(1000);
    settle(raft);
    expect(raft.role).toBe("preCandidate");
    expect(tell(raft, { type: "vote", from: "c", term: 8, last })).toMatchObject([
      { granted: true },
    ]);
  });
});

describe("§6 clients", () => {
  test("§6.2 a leader steps down when an election timeout passes without a quorum", () => {
    const raft = newLeader();
    let now = 1000;
    const answer = (from: string) => {
      const round = Math.floor(now / 100);
      tell(raft, { type: "heartbeatReply", from, term: 1, round });
    };
    for (; now <= 5000; now += 100) {
      raft.tick(now);
      answer("b");
    }
    expect(raft.role).toBe("leader");
    for (; now <= 5900; now += 100) raft.tick(now);
    expect(raft.role).toBe("leader");
    raft.tick(6000);
    expect([raft.role, raft.leader, raft.term]).toEqual(["follower", undefined, 1]);
  });

  test("§6.4 a leader marks an entry of its own term as committed before it serves reads", () => {
    const raft = newLeader({ terms: [1, 1] });
    expect(raft.hasCommittedInTerm).toBe(false);
    const id = raft.requestRead();
    raft.tick(raft.nextDeadline());
    settle(raft);
    const answer = { type: "heartbeatReply", from: "b", term: 2 } as const;
    raft.step({ ...answer, to: "a", round: 1 });
    expect(settle(raft).reads).toEqual([]);
    acknowledge(raft, "b", 3);
    expect(raft.hasCommittedInTerm).toBe(true);
    raft.step({ ...answer, to: "a", round: 2 });
    expect(settle(raft).reads).toEqual([{ id, index: 3 }]);
  });

  test("§6.4 the leader confirms with a round of heartbeats that it was not replaced", () => {
    const raft = newLeader();
    acknowledge(raft, "b", 1);
    raft.requestRead();
    const { messages, reads } = settle(raft);
    expect(types(messages)).toEqual(["heartbeat b", "heartbeat c"]);
    expect(reads).toEqual([]);
    // An answer to an earlier round proves nothing.
    raft.step({ type: "heartbeatReply", from: "b", to: "a", term: 1, round: 0 });
    expect(settle(raft).reads).toEqual([]);
  });
});

describe("§9.6 pre-vote", () => {
  test("a pre-vote changes nothing at the one who answers it", () => {
    const raft = newRaft({ terms: [1, 2], vote: "c" });
    const before = [raft.term, raft.role, raft.leader, raft.nextDeadline(), raft.lastIndex];
    for (const index of [1, 2, 3]) {
      raft.step({ type: "preVote", from: "b", to: "a", term: 9, last: { term: 2, index } });
    }
    const { messages, batches } = settle(raft);
    const answers = messages.map((message) => "granted" in message && message.granted);
    expect(answers).toEqual([false, true, true]);
    expect(batches).toEqual([]);
    const after = [raft.term, raft.role, raft.leader, raft.nextDeadline(), raft.lastIndex];
    expect(after).toEqual(before);
    expect(
      tell(raft, { type: "vote", from: "b", term: 2, last: { term: 2, index: 2 } }),
    ).toMatchObject([{ granted: false }]);
  });

  test("a candidate increments its term only when a majority would vote for it", () => {
    const raft = newRaft({ term: 3 });
    for (let i = 0; i < 5; i++) raft.tick(raft.nextDeadline());
    settle(raft);
    expect([raft.role, raft.term]).toEqual(["preCandidate", 3]);
    tell(raft, { type: "preVoteReply", from: "b", term: 3, granted: false });
    tell(raft, { type: "preVoteReply", from: "c", term: 3, granted: false });
    expect([raft.role, raft.term]).toEqual(["follower", 3]);
  });

  test("a supporter's term may be lower, a rejection's higher", () => {
    const raft = newRaft({ term: 3 });
    raft.tick(1000);
    settle(raft);
    tell(raft, { type: "preVoteReply", from: "b", term: 1, granted: true });
    expect(raft.role).toBe("candidate");
    tell(raft, { type: "preVoteReply", from: "c", term: 7, granted: false });
    expect([raft.role, raft.term]).toEqual(["follower", 7]);
  });
});
