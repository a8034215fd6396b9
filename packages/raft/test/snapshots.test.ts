/** Compaction, and snapshots that take the place of what was compacted: one node at a time. */
import { describe, expect, test } from "vitest";
import { type Raft, SNAPSHOT_SOURCES_MAX } from "../src/index.ts";
import { bytes } from "./disk.ts";
import {
  acknowledge,
  entriesOf,
  newLeader,
  newRaft,
  type Sketch,
  settle,
  tell,
} from "./fixture.ts";

const membership = { voters: ["a", "b", "c"], learners: [] };
const wish = {
  type: "installSnapshot",
  from: "b",
  term: 2,
  index: 7,
  sources: ["c", "b"],
} as const;
const heartbeat = { type: "heartbeat", from: "b", term: 2, commit: 0, round: 1 } as const;

/** A leader of term 2 that has committed ten entries and dropped the first `base`. */
function compactedLeader(base: number, sketch: Sketch = {}): Raft {
  const raft = newLeader({ terms: Array(9).fill(1), applied: 9, ...sketch });
  for (const id of raft.membership.voters) if (id !== "a" && id !== "c") acknowledge(raft, id, 10);
  settle(raft);
  raft.compacted(base);
  return raft;
}

function rejects(raft: Raft, from: string, prev: number, hint: number): void {
  const rejected = { prev, hint: { term: hint === 0 ? 0 : 1, index: hint } };
  const at = { type: "appendReply", to: "a", from, term: raft.term } as const;
  raft.step({ ...at, match: 0, durable: 0, rejected });
}

describe("compaction", () => {
  test("goes forward only, and never beyond what was handed out", () => {
    const raft = compactedLeader(5);
    raft.compacted(3);
    expect(() => raft.compacted(11)).toThrow("compaction up to 11, but only 10 have been handed");
    rejects(raft, "c", 9, 5);
    expect(settle(raft).logReads).toEqual([]);
    acknowledge(raft, "c", 5);
    raft.compacted(8);
    rejects(raft, "c", 10, 5);
    expect(settle(raft).messages).toMatchObject([{ type: "installSnapshot", index: 8 }]);
  });

  test("the entry before the next one must be known: at base it is, below it is not", () => {
    const atBase = compactedLeader(5);
    rejects(atBase, "c", 9, 5);
    expect(settle(atBase).messages).toMatchObject([{ type: "append", prev: { index: 5 } }]);
    const below = compactedLeader(5);
    rejects(below, "c", 9, 4);
    expect(settle(below).messages).toMatchObject([{ type: "installSnapshot", index: 5 }]);
  });

  test("a follower that waits for a read of the log is turned over when the log is gone", () => {
    const raft = compactedLeader(0, { maxTailBytes: 0 });
    rejects(raft, "c", 9, 3);
    expect(settle(raft).logReads).toMatchObject([{ to: "c", from: 4 }]);
    raft.compacted(6);
    expect(settle(raft).messages).toMatchObject([{ type: "installSnapshot", index: 6 }]);
    // The disk's answer comes too late, whatever it is.
    raft.provideLog({ to: "c", prev: { term: 1, index: 3 }, entries: entriesOf(4, 1, 1) });
    raft.provideLog({ to: "c", prev: { term: 1, index: 6 }, entries: [] });
    expect(settle(raft)).toMatchObject({ messages: [], logReads: [] });
  });
});

describe("the leader of a follower that needs a snapshot", () => {
  function waiting(sketch: Sketch = {}): Raft {
    const raft = compactedLeader(5, sketch);
    rejects(raft, "c", 9, 0);
    return raft;
  }

  test("says so at once, again after each answered heartbeat, and appends nothing", () => {
    const raft = waiting();
    expect(settle(raft).messages).toMatchObject([{ type: "installSnapshot", to: "c", index: 5 }]);
    expect(raft.status()[2]).toMatchObject({ id: "c", snapshotIndex: 5 });
    raft.propose(bytes("x"));
    raft.compacted(8);
    const { messages } = settle(raft);
    expect(messages.filter(({ to }) => to === "c")).toEqual([]);
    raft.step({ type: "heartbeatReply", from: "c", to: "a", term: 2, round: 1 });
    expect(settle(raft).messages).toMatchObject([{ type: "installSnapshot", to: "c", index: 5 }]);
  });

  test("goes on behind the snapshot, by the log, once it is there", () => {
    const raft = waiting();
    settle(raft);
    const { messages } = acknowledge(raft, "c", 5);
    expect(messages).toMatchObject([{ type: "append", to: "c", prev: { index: 5 } }]);
    expect(raft.status()[2]).toMatchObject({ match: 5, snapshotIndex: undefined });
  });

  test("asks for another one if the log was cut beyond it meanwhile", () => {
    const raft = waiting();
    settle(raft);
    raft.compacted(8);
    const { messages } = acknowledge(raft, "c", 5);
    expect(messages).toMatchObject([{ type: "installSnapshot", to: "c", index: 8 }]);
    acknowledge(raft, "c", 5);
    expect(raft.status()[2]).toMatchObject({ match: 5, snapshotIndex: 8 });
  });

  test("names up to three members that have one, the furthest first, and then itself", () => {
    const voters = ["a", "b", "c", "d", "e", "f", "g"];
    const raft = newLeader({ voters, terms: Array(9).fill(1), applied: 9 });
    for (const id of ["b", "d", "e", "f"]) acknowledge(raft, id, 10);
    settle(raft);
    raft.propose(bytes("x"));
    settle(raft);
    acknowledge(raft, "f", 11);
    acknowledge(raft, "e", 11);
    raft.compacted(5);
    rejects(raft, "c", 9, 0);
    const sources = ["e", "f", "b", "a"];
    expect(sources).toHaveLength(SNAPSHOT_SOURCES_MAX + 1);
    expect(settle(raft).messages).toMatchObject([{ to: "c", sources }]);
  });

  test("names nobody who was silent for an election timeout, nor who is not fsynced so far", () => {
    const voters = ["a", "b", "c", "d", "e"];
    const raft = newLeader({ voters, terms: Array(9).fill(1), applied: 9, commitBy: "match" });
    for (const id of ["b", "d", "e"]) acknowledge(raft, id, 10);
    raft.tick(1900);
    raft.propose(bytes("x"));
    settle(raft);
    const reply = { type: "appendReply", to: "a", term: 2, match: 11 } as const;
    raft.step({ ...reply, from: "d", durable: 11 });
    raft.step({ ...reply, from: "e", durable: 10 });
    raft.tick(2001);
    settle(raft);
    raft.compacted(11);
    rejects(raft, "c", 9, 0);
    expect(settle(raft).messages).toMatchObject([{ to: "c", sources: ["d", "a"] }]);
  });

  test("tells it all that is committed, for it to judge what it has fetched", () => {
    const raft = waiting();
    settle(raft);
    raft.tick(raft.nextDeadline());
    expect(settle(raft).messages).toMatchObject([
      { type: "heartbeat", to: "b", commit: 10 },
      { type: "heartbeat", to: "c", commit: 10 },
    ]);
  });
});

describe("a follower that is told to fetch a snapshot", () => {
  test("passes the wish on, the newest only", () => {
    const raft = newRaft();
    raft.step({ ...wish, to: "a" });
    raft.step({ ...wish, to: "a", index: 9, sources: ["b"] });
    expect(settle(raft).fetches).toEqual([{ index: 9, sources: ["b"] }]);
    expect(raft.hasReady()).toBe(false);
  });

  test("forgets it when the term changes, or when it has got there by itself", () => {
    const raft = newRaft({ terms: [1, 1], term: 2 });
    raft.step({ ...wish, to: "a" });
    raft.step({ ...heartbeat, to: "a", from: "c", term: 3 });
    expect(settle(raft).fetches).toEqual([]);
    raft.step({ ...wish, to: "a", from: "c", term: 3, index: 2 });
    const prev = { term: 1, index: 2 };
    raft.step({ type: "append", from: "c", to: "a", term: 3, prev, entries: [], commit: 2 });
    expect(settle(raft).fetches).toEqual([]);
  });

  test("counts it as a word of the leader", () => {
    const raft = newRaft();
    raft.tick(900);
    tell(raft, wish);
    raft.tick(1800);
    expect([raft.role, raft.leader]).toEqual(["follower", "b"]);
  });

  test("answers at once if it is as far (Ra 51f9810e: or it is asked for ever)", () => {
    const raft = newRaft({ terms: Array(9).fill(1), applied: 8, term: 2 });
    for (let i = 0; i < 2; i++) {
      expect(tell(raft, wish)).toMatchObject([{ type: "appendReply", match: 8, durable: 8 }]);
    }
  });

  test("tells the sender of an earlier term so", () => {
    const raft = newRaft({ term: 5 });
    expect(tell(raft, wish)).toMatchObject([{ type: "appendReply", term: 5, match: 0 }]);
    expect(settle(raft).fetches).toEqual([]);
  });
});

describe("restore", () => {
  const snapshot = { term: 2, index: 7, membership };

  test("replaces a log that conflicts or is too short, and goes on behind it", () => {
    for (const terms of [[], [1, 1], Array(9).fill(1)] as number[][]) {
      const raft = newRaft({ terms, term: 2 });
      tell(raft, wish);
      expect(raft.restore(snapshot)).toBe(true);
      expect([raft.commit, raft.lastIndex]).toEqual([7, 7]);
      const { persist, committed, messages } = raft.takeReady();
      expect(persist).toMatchObject({ restore: { term: 2, index: 7 }, truncateFrom: undefined });
      expect([committed, messages, persist?.entries]).toEqual([[], [], []]);
      expect(raft.durableIndex).toBe(0);
      raft.persisted(persist!.seq, true);
      expect(raft.durableIndex).toBe(7);
      expect(settle(raft).messages).toMatchObject([{ type: "appendReply", match: 7, durable: 7 }]);
      const append = { type: "append", from: "b", term: 2, commit: 8 } as const;
      tell(raft, { ...append, prev: { term: 2, index: 7 }, entries: entriesOf(8, 2) });
      expect([raft.commit, raft.lastIndex]).toEqual([8, 8]);
    }
  });

  test("keeps a log that holds the entry (etcd #1763), and applies from there", () => {
    const raft = newRaft({ terms: [1, 1, 1, 2, 2], term: 2 });
    tell(raft, heartbeat);
    expect(raft.restore({ term: 1, index: 3, membership })).toBe(false);
    expect(raft.commit).toBe(0);
    expect(raft.restore({ term: 2, index: 4, membership })).toBe(false);
    expect([raft.commit, raft.lastIndex]).toEqual([4, 5]);
    const { committed, messages } = settle(raft);
    expect(committed.map(({ index }) => index)).toEqual([1, 2, 3, 4]);
    expect(messages).toMatchObject([{ type: "appendReply", match: 4 }]);
  });

  test("is refused for what is committed already, and by a leader", () => {
    const raft = newRaft({ terms: [2, 2], applied: 2 });
    expect(raft.restore({ ...snapshot, index: 2 })).toBe(false);
    const leader = newLeader({ term: 1 });
    expect(leader.restore({ ...snapshot, term: 2 })).toBe(false);
    expect(leader.role).toBe("leader");
  });

  test("takes up the term of what it restores", () => {
    const raft = newRaft({ term: 1 });
    raft.tick(1000);
    expect(raft.role).toBe("preCandidate");
    settle(raft);
    expect(raft.restore(snapshot)).toBe(true);
    expect([raft.role, raft.term, raft.leader]).toEqual(["follower", 2, undefined]);
    expect(raft.takeReady().persist).toMatchObject({
      hardState: { term: 2 },
      restore: { index: 7 },
    });
  });

  test("of an earlier term waits until the leader of this one vouches for it", () => {
    const raft = newRaft({ term: 3 });
    tell(raft, { ...heartbeat, term: 3 });
    expect(raft.restore(snapshot)).toBe(false);
    tell(raft, { ...heartbeat, term: 3, commit: 6 });
    expect(raft.restore(snapshot)).toBe(false);
    expect([raft.commit, raft.lastIndex]).toEqual([0, 0]);
    tell(raft, { ...heartbeat, term: 3, commit: 7 });
    expect(raft.restore(snapshot)).toBe(true);
    // It may wait for this very node before it can vouch for more: so from now on its own will do.
    const own = newRaft({ term: 3 });
    const sources = (from: string, term: number) => {
      own.step({ ...wish, index: 5, from, term, to: "a" });
      return settle(own).fetches.map((fetch) => fetch.sources);
    };
    expect(sources("b", 3)).toEqual([["c", "b"]]);
    expect(own.restore(snapshot)).toBe(false);
    expect(sources("b", 3)).toEqual([["b"]]);
    expect(sources("c", 4)).toEqual([["c", "b"]]);
    // What the last leader said is worth nothing with the next.
    const late = newRaft({ term: 3 });
    tell(late, { ...heartbeat, term: 3, commit: 7 });
    tell(late, { ...heartbeat, from: "c", term: 4 });
    expect(late.restore(snapshot)).toBe(false);
  });

  test("puts the snapshot's membership in force", () => {
    const raft = newRaft({ id: "d", voters: ["a"], learners: ["d"], term: 2 });
    tell(raft, wish);
    const grown = { voters: ["a", "b", "d"], learners: ["e"] };
    expect(raft.restore({ ...snapshot, membership: grown })).toBe(true);
    expect([raft.membership, raft.membershipIndex]).toEqual([grown, 0]);
    const none = { ...snapshot, index: 8, membership: { voters: [], learners: [] } };
    expect(() => raft.restore(none)).toThrow("must name at least one voter");
  });

  test("of a second snapshot, before the first is on disk, leaves the second", () => {
    const raft = newRaft({ term: 2 });
    tell(raft, wish);
    raft.restore(snapshot);
    const first = raft.takeReady().persist!;
    expect(raft.restore({ ...snapshot, index: 9 })).toBe(true);
    raft.persisted(first.seq, true);
    expect(raft.durableIndex).toBe(7);
    const second = raft.takeReady().persist!;
    expect(second.restore).toEqual({ term: 2, index: 9 });
    raft.persisted(second.seq, true);
    expect(raft.durableIndex).toBe(9);
  });

  test("a node that restored serves nothing from before it when it leads", () => {
    const raft = newRaft({ term: 2 });
    tell(raft, wish);
    raft.restore(snapshot);
    settle(raft);
    raft.tick(5000);
    raft.tick(5100);
    settle(raft);
    tell(raft, { type: "preVoteReply", from: "b", term: 2, granted: true });
    tell(raft, { type: "voteReply", from: "b", term: 3, granted: true });
    expect(raft.role).toBe("leader");
    const rejected = { prev: 7, hint: { term: 0, index: 0 } };
    const reply = { type: "appendReply", from: "c", term: 3, match: 0, durable: 0 } as const;
    expect(tell(raft, { ...reply, rejected })).toMatchObject([
      { type: "installSnapshot", index: 7 },
    ]);
  });
});

describe("what is committed in a term whose number is not on disk yet", () => {
  test("is handed out only once it is", () => {
    const raft = newRaft({ terms: [1, 1], term: 1 });
    const prev = { term: 1, index: 2 };
    raft.step({ type: "append", from: "b", to: "a", term: 2, prev, entries: [], commit: 2 });
    const { persist, committed } = raft.takeReady();
    expect([raft.commit, committed]).toEqual([2, []]);
    expect(raft.hasReady()).toBe(false);
    raft.persisted(persist!.seq, true);
    expect(settle(raft).committed).toHaveLength(2);
  });
});
