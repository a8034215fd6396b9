/** What the paper does not say: stalls, fast failover, batches, misuse. */
import { describe, expect, test } from "vitest";
import {
  describeMessage,
  describeReady,
  describeStatus,
  type Message,
  Raft,
  SUSPICION_CAMPAIGNS,
  SUSPICION_MS,
} from "../src/index.ts";
import { bytes } from "./disk.ts";
import { acknowledge, entriesOf, newLeader, newRaft, optionsOf, settle, tell } from "./fixture.ts";

const NOTHING = { term: 0, index: 0 };
const heartbeat = { type: "heartbeat", from: "b", term: 1, commit: 0, round: 1 } as const;

describe("time", () => {
  test("a late tick is turned into one short wait, not more", () => {
    const raft = newRaft();
    raft.tick(5000);
    expect([raft.role, raft.nextDeadline()]).toEqual(["follower", 5100]);
    raft.tick(9000);
    expect(raft.role).toBe("preCandidate");
  });

  test("a tick that is late by no more than a heartbeat campaigns", () => {
    const raft = newRaft();
    raft.tick(1100);
    expect(raft.role).toBe("preCandidate");
  });

  test("ticks that come early, and a clock that goes back, are harmless", () => {
    const raft = newRaft();
    for (const now of [10, 999, 0, -5]) raft.tick(now);
    expect(settle(raft).messages).toEqual([]);
    expect(raft.nextDeadline()).toBe(1000);
  });

  test("a cluster of one does not wait", () => {
    const raft = newRaft({ voters: ["a"], now: 77 });
    expect(raft.nextDeadline()).toBe(77);
    raft.tick(9999);
    settle(raft);
    expect([raft.role, raft.commit]).toEqual(["leader", 1]);
  });
});

describe("fast failover", () => {
  function follower(): Raft {
    const raft = newRaft({ random: () => 0.5 });
    tell(raft, heartbeat);
    return raft;
  }

  test("starts a pre-vote 250 to 350 ms after the last word of a leader that left", () => {
    const raft = follower();
    raft.tick(20);
    raft.peerDisconnected("b");
    expect(raft.nextDeadline()).toBe(SUSPICION_MS + 100);
    raft.tick(299);
    expect(raft.role).toBe("follower");
    raft.tick(300);
    expect(raft.role).toBe("preCandidate");
  });

  test("waits from now if the leader has been silent for long", () => {
    const raft = follower();
    raft.tick(800);
    raft.peerDisconnected("b");
    expect(raft.nextDeadline()).toBe(900);
  });

  test("does not concern other peers, nor a leader", () => {
    const raft = follower();
    raft.peerDisconnected("c");
    expect(raft.nextDeadline()).toBe(1500);
    const leader = newLeader();
    leader.peerDisconnected("b");
    expect(leader.nextDeadline()).toBe(1100);
  });

  test("helps others only once the leader is silent as well", () => {
    const raft = follower();
    raft.peerDisconnected("b");
    const preVote = { type: "preVote", from: "c", term: 2, last: NOTHING } as const;
    raft.tick(SUSPICION_MS - 1);
    expect(tell(raft, preVote)).toEqual([]);
    raft.tick(SUSPICION_MS);
    expect(tell(raft, preVote)).toMatchObject([{ granted: true }]);
    expect(tell(raft, { ...preVote, type: "vote" })).toMatchObject([{ granted: true }]);
    expect(raft.nextDeadline()).toBe(SUSPICION_MS + 1500);
  });

  test("allows a few campaigns at the quick pace, in case the votes are split", () => {
    const raft = follower();
    raft.peerDisconnected("b");
    raft.tick(300);
    const waits: number[] = [];
    for (let i = 0; i <= SUSPICION_CAMPAIGNS; i++) {
      settle(raft);
      tell(raft, { type: "preVoteReply", from: "c", term: raft.term, granted: true });
      expect(raft.role).toBe("candidate");
      const now = raft.nextDeadline();
      waits.push(now - (i === 0 ? 300 : waits.reduce((sum, wait) => sum + wait, 300)));
      raft.tick(now);
    }
    expect(waits).toEqual([300, 300, 300, 1500]);
  });

  test("ends when the stream is back", () => {
    const raft = follower();
    raft.peerDisconnected("b");
    raft.peerConnected("c");
    expect(raft.nextDeadline()).toBe(300);
    raft.peerConnected("b");
    expect(raft.nextDeadline()).toBe(1500);
  });
});

describe("batches", () => {
  test("a turn of many proposals makes one batch and one append for each follower", () => {
    const raft = newLeader();
    acknowledge(raft, "b", 1);
    acknowledge(raft, "c", 1);
    for (let i = 0; i < 100; i++) raft.propose(bytes("x"));
    const ready = raft.takeReady();
    expect(ready.messages).toHaveLength(2);
    expect(ready.persist?.entries).toHaveLength(100);
    expect(raft.hasReady()).toBe(false);
  });

  test("handed to the disk and fsynced are reported apart", () => {
    const raft = newRaft({ term: 1, commitBy: "match" });
    const prev = NOTHING;
    const entries = entriesOf(1, 1, 1);
    raft.step({ type: "append", from: "b", to: "a", term: 1, prev, entries, commit: 0 });
    const { persist } = raft.takeReady();
    raft.persisted(persist!.seq, false);
    expect(raft.takeReady().messages).toMatchObject([{ match: 2, durable: 0 }]);
    expect(raft.durableIndex).toBe(0);
    raft.persisted(persist!.seq, true);
    expect(raft.takeReady().messages).toMatchObject([{ match: 2, durable: 2 }]);
    raft.persisted(persist!.seq, true);
    expect(raft.hasReady()).toBe(false);
  });

  test("an acknowledgement never outlives the entries it is about", () => {
    const raft = newRaft({ terms: [1], term: 2 });
    const append = { type: "append", from: "b", to: "a", commit: 0 } as const;
    const prev = { term: 1, index: 1 };
    raft.step({ ...append, term: 2, prev, entries: entriesOf(2, 2, 2) });
    const old = raft.takeReady().persist!;
    // Confirmed, but before the acknowledgement is taken out, another leader cuts the entries off.
    raft.persisted(old.seq, true);
    raft.step({ ...append, from: "c", term: 3, prev, entries: entriesOf(2, 3) });
    expect(raft.durableIndex).toBe(1);
    const ready = raft.takeReady();
    expect(ready.messages).toEqual([]);
    expect(ready.persist).toMatchObject({ truncateFrom: 2, hardState: { term: 3 } });
    raft.persisted(ready.persist!.seq, true);
    expect(raft.takeReady().messages).toMatchObject([{ to: "c", term: 3, match: 2, durable: 2 }]);
  });

  test("entries that were cut off before they reached any batch cost no truncation", () => {
    const raft = newRaft({ terms: [1], term: 2 });
    const append = { type: "append", from: "b", to: "a", commit: 0 } as const;
    const prev = { term: 1, index: 1 };
    raft.step({ ...append, term: 2, prev, entries: entriesOf(2, 2, 2) });
    raft.step({ ...append, from: "c", term: 3, prev, entries: entriesOf(2, 3) });
    const { persist } = raft.takeReady();
    expect(persist?.truncateFrom).toBeUndefined();
    expect(persist?.entries).toMatchObject([{ term: 3, index: 2 }]);
  });

  test("commit may run ahead of this node's own disk", () => {
    const raft = newLeader();
    for (const from of ["b", "c"]) acknowledge(raft, from, 1);
    raft.propose(bytes("x"));
    const { persist } = raft.takeReady();
    acknowledge(raft, "b", 2);
    raft.step({ type: "appendReply", from: "c", to: "a", term: 1, match: 2, durable: 2 });
    expect(raft.takeReady().committed).toMatchObject([{ index: 2 }]);
    expect(raft.durableIndex).toBe(1);
    raft.persisted(persist!.seq, true);
    expect(raft.durableIndex).toBe(2);
  });

  test("memory keeps what is not on this node's disk, committed or not", () => {
    const voters = ["a", "b", "c", "d", "e"];
    const raft = newLeader({ voters, maxTailBytes: 0 });
    for (const from of ["b", "c", "d", "e"]) acknowledge(raft, from, 1);
    raft.propose(bytes("x"));
    const { persist } = raft.takeReady();
    const durable = { type: "appendReply", to: "a", term: 1, match: 2, durable: 2 } as const;
    for (const from of ["b", "c", "d"]) raft.step({ ...durable, from });
    expect(raft.takeReady().committed).toMatchObject([{ index: 2 }]);
    const rejected = { prev: 2, hint: { term: 1, index: 1 } };
    raft.step({ ...durable, from: "e", match: 1, durable: 1, rejected });
    const ready = raft.takeReady();
    expect(ready.logReads).toEqual([]);
    expect(ready.messages).toMatchObject([{ to: "e", entries: [{ index: 2 }] }]);
    // On disk at last, it leaves memory.
    raft.persisted(persist!.seq, true);
    raft.takeReady();
    raft.step({ type: "heartbeatReply", from: "e", to: "a", term: 1, round: 0 });
    expect(settle(raft).logReads).toMatchObject([{ to: "e", from: 2 }]);
  });

  test("what is only handed to a disk does not count, unless it may", () => {
    const reply = {
      type: "appendReply",
      from: "b",
      to: "a",
      term: 1,
      match: 1,
      durable: 0,
    } as const;
    const strict = newLeader();
    strict.step(reply);
    expect(strict.commit).toBe(0);
    const lax = newLeader({ commitBy: "match" });
    lax.step(reply);
    expect(lax.commit).toBe(1);
  });

  test("a vote in a term that is on disk already is written as well", () => {
    const raft = newRaft({ term: 3 });
    raft.step({ type: "vote", from: "b", to: "a", term: 3, last: NOTHING, transfer: false });
    const { messages, persist } = raft.takeReady();
    expect(messages).toEqual([]);
    expect(persist).toMatchObject({ hardState: { term: 3, vote: "b" }, messages: [{ to: "b" }] });
  });
});

describe("late messages", () => {
  test("an acknowledgement of an earlier term counts nothing", () => {
    const raft = newLeader({ terms: [1, 1], term: 4 });
    raft.step({ type: "appendReply", from: "b", to: "a", term: 4, match: 3, durable: 3 });
    expect(settle(raft).committed).toEqual([]);
    expect(raft.status()[1]).toMatchObject({ id: "b", match: 0, durable: 0 });
    raft.step({ type: "heartbeatReply", from: "b", to: "a", term: 4, round: 99 });
    expect([raft.role, raft.term]).toEqual(["leader", 5]);
  });

  test("a pre-candidate that gives its vote away does not campaign any more", () => {
    const raft = newRaft({ term: 3 });
    raft.tick(1000);
    settle(raft);
    expect(raft.role).toBe("preCandidate");
    expect(tell(raft, { type: "vote", from: "b", term: 3, last: NOTHING })).toMatchObject([
      { granted: true },
    ]);
    tell(raft, { type: "preVoteReply", from: "c", term: 3, granted: true });
    expect([raft.role, raft.term]).toEqual(["follower", 3]);
  });
});

describe("entries from disk for a slow follower", () => {
  function leaderWithReader(): Raft {
    const raft = newLeader({ terms: [1, 1, 1, 1, 1], maxTailBytes: 0, applied: 5 });
    acknowledge(raft, "b", 6);
    raft.step({
      ...{ type: "appendReply", from: "c", to: "a", term: 2, match: 0, durable: 0 },
      rejected: { prev: 5, hint: { term: 1, index: 2 } },
    });
    expect(settle(raft).logReads).toMatchObject([{ to: "c", from: 3 }]);
    return raft;
  }
  const prev = { term: 1, index: 2 };

  test("are asked for once and sent on", () => {
    const raft = leaderWithReader();
    raft.step({ type: "heartbeatReply", from: "c", to: "a", term: 2, round: 0 });
    expect(settle(raft).logReads).toEqual([]);
    raft.provideLog({ to: "c", prev, entries: entriesOf(3, 1, 1) });
    expect(settle(raft).messages).toMatchObject([{ type: "append", to: "c", prev }]);
    raft.provideLog({ to: "c", prev, entries: entriesOf(3, 1, 1) });
    expect(settle(raft).messages).toEqual([]);
  });

  test("are dropped when they are for somebody or something else", () => {
    const raft = leaderWithReader();
    raft.provideLog({ to: "b", prev, entries: entriesOf(3, 1) });
    raft.provideLog({ to: "c", prev: { term: 1, index: 1 }, entries: entriesOf(2, 1) });
    raft.provideLog({ to: "x", prev, entries: entriesOf(3, 1) });
    expect(settle(raft)).toMatchObject({ messages: [], logReads: [] });
    raft.provideLog({ to: "c", prev, entries: entriesOf(3, 1) });
    expect(settle(raft).messages).toHaveLength(1);
  });

  test("are dropped and asked for anew when the follower turned out to be elsewhere", () => {
    const raft = leaderWithReader();
    acknowledge(raft, "c", 3);
    raft.provideLog({ to: "c", prev, entries: entriesOf(3, 1, 1) });
    const { messages, logReads } = settle(raft);
    expect(messages).toEqual([]);
    expect(logReads).toMatchObject([{ to: "c", from: 4 }]);
  });

  test("if the disk has none any more, a snapshot takes their place", () => {
    for (const [base, index] of [
      [prev, 3],
      [{ term: 1, index: 5 }, 5],
    ] as const) {
      const raft = leaderWithReader();
      raft.provideLog({ to: "c", prev: base, entries: [] });
      const { messages, logReads } = settle(raft);
      expect(logReads).toEqual([]);
      expect(messages).toMatchObject([{ type: "installSnapshot", to: "c", index }]);
    }
  });

  test("must fit together", () => {
    const raft = leaderWithReader();
    const entries = entriesOf(4, 1);
    expect(() => raft.provideLog({ to: "c", prev, entries })).toThrow("the disk gave entries 4-4");
  });

  test("are of no use to a node that leads no more", () => {
    const raft = leaderWithReader();
    tell(raft, { ...heartbeat, term: 9 });
    raft.provideLog({ to: "c", prev, entries: entriesOf(3, 1) });
    expect(settle(raft).messages).toEqual([]);
  });
});

describe("a broken promise ends the process", () => {
  test("two leaders in one term", () => {
    const raft = newRaft();
    tell(raft, heartbeat);
    const other = { ...heartbeat, from: "c", to: "a" };
    expect(() => raft.step(other)).toThrow("two leaders in term 1: b and c");
  });

  test("an acknowledgement of what was never sent", () => {
    const raft = newLeader();
    expect(() => acknowledge(raft, "b", 9)).toThrow("b acknowledges 9/9, our last is 1");
  });

  test("an append with a hole", () => {
    const raft = newRaft();
    const entries = [...entriesOf(1, 1), ...entriesOf(3, 1)];
    const append = { type: "append", from: "b", to: "a", term: 1, prev: NOTHING } as const;
    expect(() => raft.step({ ...append, entries, commit: 0 })).toThrow("behind entry 0");
  });

  test("a confirmation of a batch that was never handed out", () => {
    expect(() => newRaft().persisted(1, true)).toThrow("batch 1 was confirmed, the newest is 0");
  });

  test("a message for somebody else, or from this very node", () => {
    const raft = newRaft();
    expect(() => raft.step({ ...heartbeat, to: "c" })).toThrow("was given to a");
    expect(() => raft.step({ ...heartbeat, from: "a", to: "a" })).toThrow("was given to a");
  });

  test("a disk that does not fit together", () => {
    const options = optionsOf({ terms: [1, 1], applied: 3 });
    expect(() => new Raft(options)).toThrow("entries were lost");
  });
});

describe("what a node says of itself", () => {
  test("status and descriptions", () => {
    const raft = newLeader();
    acknowledge(raft, "b", 1);
    raft.tick(1050);
    expect(raft.status()).toEqual([
      { id: "a", match: 1, durable: 1, lastContactMs: 1050 },
      { id: "b", match: 1, durable: 1, lastContactMs: 1000 },
      { id: "c", match: 0, durable: 0, lastContactMs: 1000 },
    ]);
    expect(newRaft().status()).toEqual([]);
    expect(describeStatus(raft)).toBe("a leader t1 leader=a commit=1 last=1 durable=1");
    raft.propose(Uint8Array.of(0, 255));
    const text = describeReady(raft.takeReady());
    expect(text).toContain("append t1 prev=1/1 commit=1 [1/2 (2 bytes)]");
    expect(text).toContain(" | persist #3 [1/2 (2 bytes)]");
    const reply: Message = { type: "readIndexReply", from: "a", to: "b", term: 1, id: 4, index: 2 };
    expect(describeMessage(reply)).toBe("a→b readIndexReply t1 id=4 index=2");
  });

  test("leadership is announced once per change", () => {
    const raft = newRaft();
    raft.step({ ...heartbeat, to: "a" });
    expect(raft.takeReady().leadership).toEqual({ role: "follower", term: 1, leader: "b" });
    raft.step({ ...heartbeat, to: "a" });
    expect(raft.takeReady().leadership).toBeUndefined();
  });
});
