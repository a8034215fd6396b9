/**
 * Sentences of the dissertation (Ongaro, "Consensus: Bridging Theory and Practice", 2014), each
 * as a test: terms, elections, replication. The section numbers are the dissertation's, the ones in
 * brackets those of the shorter paper.
 */
import { describe, expect, test } from "vitest";
import type { Raft } from "../src/index.ts";
import { bytes } from "./disk.ts";
import { acknowledge, entriesOf, newLeader, newRaft, settle, tell, types } from "./fixture.ts";

const heartbeat = { type: "heartbeat", from: "b", commit: 0, round: 1 } as const;
const NOTHING = { term: 0, index: 0 };

function candidate(sketch: Parameters<typeof newRaft>[0] = {}): Raft {
  const raft = newRaft(sketch);
  raft.tick(1000);
  settle(raft);
  tell(raft, { type: "preVoteReply", from: "b", term: raft.term, granted: true });
  expect(raft.role).toBe("candidate");
  return raft;
}

describe("§3.3 (§5.1) terms", () => {
  test("if one server's term is smaller than the other's, it takes up the larger value", () => {
    const raft = newRaft({ term: 2 });
    tell(raft, { ...heartbeat, term: 5 });
    expect(raft.term).toBe(5);
  });

  test("a candidate or leader whose term is out of date immediately reverts to follower", () => {
    for (const raft of [candidate(), newLeader()]) {
      tell(raft, { type: "appendReply", from: "b", term: 9, match: 0, durable: 0 });
      expect([raft.role, raft.term, raft.leader]).toEqual(["follower", 9, undefined]);
    }
  });

  test("a request with a stale term is rejected", () => {
    const raft = newRaft({ terms: [1], term: 3 });
    const deadline = raft.nextDeadline();
    raft.tick(500);
    const append = { type: "append", from: "b", prev: { term: 1, index: 1 }, commit: 1 } as const;
    const replies = tell(raft, { ...append, term: 2, entries: entriesOf(2, 2) });
    expect(replies).toMatchObject([{ type: "appendReply", term: 3, match: 0 }]);
    expect(tell(raft, { ...heartbeat, term: 2 })).toMatchObject([{ term: 3 }]);
    const last = { term: 2, index: 9 };
    const vote = tell(raft, { type: "vote", from: "b", term: 2, last });
    expect(vote).toMatchObject([{ type: "voteReply", term: 3, granted: false }]);
    expect([raft.lastIndex, raft.commit, raft.leader]).toEqual([1, 0, undefined]);
    expect(raft.nextDeadline()).toBe(deadline);
  });
});

describe("§3.4 (§5.2) leader election", () => {
  test("when servers start up, they begin as followers", () => {
    expect(newRaft().role).toBe("follower");
  });

  test("a server remains follower as long as it hears from a leader", () => {
    const raft = newRaft();
    for (let now = 900; now < 10_000; now += 900) {
      raft.tick(now);
      tell(raft, { ...heartbeat, term: 1 });
      expect(raft.role).toBe("follower");
    }
  });

  test("leaders send periodic heartbeats to all followers", () => {
    const raft = newLeader({ learners: ["d"] });
    raft.tick(raft.nextDeadline());
    expect(types(settle(raft).messages)).toEqual(["heartbeat b", "heartbeat c", "heartbeat d"]);
  });

  test("to begin an election, a follower raises its term, votes for itself, asks all", () => {
    const raft = newRaft({ term: 4 });
    raft.tick(1000);
    settle(raft);
    raft.step({ type: "preVoteReply", from: "b", to: "a", term: 4, granted: true });
    const { batches } = settle(raft);
    expect(batches[0]?.hardState).toEqual({ term: 5, vote: "a" });
    expect(types(batches[0]!.messages)).toEqual(["vote b", "vote c"]);
  });

  test("a candidate wins with votes of a majority of the full cluster", () => {
    const voters = ["a", "b", "c", "d", "e"];
    const raft = newRaft({ voters });
    raft.tick(1000);
    settle(raft);
    for (const from of ["b", "c"])
      tell(raft, { type: "preVoteReply", from, term: 0, granted: true });
    const vote = { type: "voteReply", term: 1 } as const;
    tell(raft, { ...vote, from: "b", granted: true });
    tell(raft, { ...vote, from: "b", granted: true });
    tell(raft, { ...vote, from: "c", granted: false });
    tell(raft, { ...vote, from: "stranger", granted: true });
    expect(raft.role).toBe("candidate");
    tell(raft, { ...vote, from: "d", granted: true });
    expect(raft.role).toBe("leader");
  });

  test("each server votes for at most one candidate per term, first come first served", () => {
    const raft = newRaft();
    const ask = (from: string) => tell(raft, { type: "vote", from, term: 1, last: NOTHING });
    expect(ask("b")).toMatchObject([{ to: "b", granted: true }]);
    expect(ask("c")).toMatchObject([{ to: "c", granted: false }]);
    expect(ask("b")).toMatchObject([{ to: "b", granted: true }]);
  });

  test("a candidate that hears from a leader of at least its term becomes follower", () => {
    const raft = candidate();
    tell(raft, { ...heartbeat, term: 1 });
    expect([raft.role, raft.leader]).toEqual(["follower", "b"]);
  });

  test("election timeouts are chosen randomly and anew, from a fixed interval", () => {
    const draws = [0, 0.25, 0.5, 0.999];
    let draw = 0;
    const raft = newRaft({ random: () => draws[draw++ % draws.length]! });
    const seen = new Set<number>();
    for (let i = 0; i < 8; i++) {
      tell(raft, { ...heartbeat, term: 1 });
      seen.add(raft.nextDeadline());
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([1000, 1250, 1500, 1999]);
  });

  test("only a vote that is given resets the timer, so poor candidates keep nobody back", () => {
    const raft = newRaft({ terms: [1, 1] });
    const deadline = raft.nextDeadline();
    for (let term = 2; term < 20; term++) {
      raft.tick(term * 50);
      const last = { term: 1, index: 1 };
      expect(tell(raft, { type: "vote", from: "b", term, last })).toMatchObject([
        { granted: false },
      ]);
    }
    expect(raft.nextDeadline()).toBe(deadline);
    tell(raft, { type: "vote", from: "c", term: 20, last: { term: 1, index: 2 } });
    expect(raft.nextDeadline()).toBe(1950);
  });
});

describe("§3.5 (§5.3) log replication", () => {
  test("the leader appends the command and sends it in parallel to its own disk", () => {
    const raft = newLeader();
    acknowledge(raft, "b", 1);
    acknowledge(raft, "c", 1);
    expect(raft.propose(bytes("x"))).toEqual({ term: 1, index: 2 });
    const ready = raft.takeReady();
    expect(types(ready.messages)).toEqual(["append b", "append c"]);
    expect(ready.persist?.entries).toMatchObject([{ term: 1, index: 2, kind: "normal" }]);
    expect(ready.committed).toEqual([]);
  });

  test("an entry is committed once it is stored on a majority", () => {
    const raft = newLeader({ voters: ["a", "b", "c", "d", "e"] });
    expect(acknowledge(raft, "b", 1).committed).toEqual([]);
    expect(acknowledge(raft, "c", 1).committed).toMatchObject([{ index: 1, kind: "empty" }]);
  });

  test("the leader counts itself only when its own disk has the entry", () => {
    const raft = newLeader();
    acknowledge(raft, "b", 1);
    raft.propose(bytes("x"));
    const { persist } = raft.takeReady();
    raft.step({ type: "appendReply", from: "b", to: "a", term: 1, match: 2, durable: 2 });
    expect(raft.commit).toBe(1);
    raft.persisted(persist!.seq, true);
    expect(raft.commit).toBe(2);
  });

  test("the leader includes the commit index in its messages, followers apply in log order", () => {
    const raft = newRaft();
    const prev = NOTHING;
    raft.step({
      ...{ type: "append", from: "b", to: "a", term: 1, prev, commit: 2 },
      entries: entriesOf(1, 1, 1, 1),
    });
    expect(settle(raft).committed).toMatchObject([{ index: 1 }, { index: 2 }]);
  });

  test.each([
    // terms of the follower's log, prev, accepted?
    { terms: [1, 1], prev: { term: 1, index: 2 }, accepted: true },
    { terms: [1, 1], prev: { term: 1, index: 3 }, accepted: false },
    { terms: [1, 2], prev: { term: 1, index: 2 }, accepted: false },
    { terms: [1, 2, 2], prev: { term: 1, index: 1 }, accepted: true },
    { terms: [], prev: NOTHING, accepted: true },
  ])(
    "the consistency check: $terms against $prev.term/$prev.index",
    ({ terms, prev, accepted }) => {
      const raft = newRaft({ terms });
      const entries = entriesOf(prev.index + 1, 3);
      const [reply] = tell(raft, { type: "append", from: "b", term: 3, prev, entries, commit: 0 });
      expect(reply).toMatchObject(accepted ? { match: prev.index + 1 } : { match: 0 });
      expect("rejected" in reply!).toBe(!accepted);
    },
  );

  // Figure 3.6: the leader of term 8 and followers (a) to (f).
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    { name: "a", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { name: "b", terms: [1, 1, 1, 4] },
    { name: "c", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { name: "d", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { name: "e", terms: [1, 1, 1, 4, 4, 4, 4] },
    { name: "f", terms: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ])("the leader forces its log upon follower ($name) of Figure 3.6", ({ terms }) => {
    const a = newLeader({ voters: ["a", "b"], terms: leader, term: 7 });
    const b = newRaft({ id: "b", voters: ["a", "b"], terms, term: 8 });
    let exchanged = 0;
    a.tick(a.nextDeadline());
    for (let messages = settle(a).messages; messages.length > 0; exchanged++) {
      const answers = messages.flatMap((message) => {
        b.step(message);
        return settle(b).messages;
      });
      for (const answer of answers) a.step(answer);
      messages = settle(a).messages;
      if (exchanged > 20) throw new Error("no end");
    }
    expect([b.lastIndex, b.commit, a.commit]).toEqual([11, 11, 11]);
  });

  test("entries that agree are never cut off, however short a late append is", () => {
    const raft = newRaft({ terms: [1] });
    const append = { type: "append", from: "b", term: 2, commit: 0 } as const;
    const prev = { term: 1, index: 1 };
    tell(raft, { ...append, prev, entries: entriesOf(2, 2, 2, 2) });
    raft.step({ ...append, to: "a", prev, entries: entriesOf(2, 2) });
    raft.step({ ...append, to: "a", prev, entries: [] });
    expect(settle(raft).batches).toEqual([]);
    expect(raft.lastIndex).toBe(4);
  });

  test("only what conflicts is cut off, in the same batch as what replaces it", () => {
    const raft = newRaft({ terms: [1, 1, 1, 1] });
    const prev = { term: 1, index: 1 };
    const entries = entriesOf(2, 1, 2);
    raft.step({ type: "append", from: "b", to: "a", term: 2, prev, entries, commit: 0 });
    const { batches } = settle(raft);
    expect(batches).toMatchObject([{ truncateFrom: 3, entries: [{ term: 2, index: 3 }] }]);
  });

  test("a committed entry is never replaced: rather than that, the process ends", () => {
    const raft = newRaft({ terms: [1, 1, 1], term: 1 });
    const append = { type: "append", from: "b", to: "a", commit: 3 } as const;
    const prev = { term: 1, index: 1 };
    raft.step({ ...append, term: 2, prev, entries: entriesOf(2, 1, 1) });
    expect(raft.commit).toBe(3);
    const other = { ...append, from: "c", term: 3, prev };
    for (const entries of [entriesOf(2, 3), entriesOf(2, 1, 3), entriesOf(2, 1, 3, 3)]) {
      expect(() => raft.step({ ...other, entries })).toThrow(/committed entry . has term 1/);
    }
    raft.step({ ...other, entries: entriesOf(2, 1, 1, 3) });
    expect(raft.lastIndex).toBe(4);
  });
});
