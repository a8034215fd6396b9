import { describe, expect, test } from "vitest";
import { ForwardedReads, LeaderReads, MAX_WAITING_READS, type Reader } from "../src/reads.ts";
import { acknowledge, newLeader, newRaft, settle, tell } from "./fixture.ts";

const own = (id: number): Reader => ({ from: undefined, id });

function answers(reads: LeaderReads, round: number): [number, number][] {
  const all: [number, number][] = [];
  reads.confirmed(round, (reader, index) => all.push([reader.id, index]));
  return all;
}

describe("reads at the leader", () => {
  test("belong to the round that begins after them", () => {
    const reads = new LeaderReads();
    expect(reads.wantRound).toBe(false);
    reads.add(own(1));
    expect(reads.wantRound).toBe(true);
    reads.roundBegins(7, 100);
    reads.add(own(2));
    expect(reads.wantRound).toBe(false);
    expect(answers(reads, 6)).toEqual([]);
    expect(answers(reads, 7)).toEqual([[1, 100]]);
    expect(reads.wantRound).toBe(true);
    reads.roundBegins(8, 105);
    expect(answers(reads, 7)).toEqual([]);
    expect(answers(reads, 8)).toEqual([[2, 105]]);
    expect(answers(reads, 9)).toEqual([]);
  });

  test("a later round confirms the earlier ones", () => {
    const reads = new LeaderReads();
    reads.add(own(1));
    reads.roundBegins(1, 10);
    reads.add(own(2));
    reads.roundBegins(2, 20);
    reads.roundBegins(3, 30);
    expect(answers(reads, 3)).toEqual([
      [1, 10],
      [2, 20],
    ]);
  });

  test("are all given back when the office is lost", () => {
    const reads = new LeaderReads();
    reads.add(own(1));
    reads.roundBegins(1, 10);
    reads.add(own(2));
    const lost: number[] = [];
    reads.abandon(({ id }) => lost.push(id));
    expect(lost).toEqual([1, 2]);
    expect(answers(reads, 9)).toEqual([]);
    expect(reads.wantRound).toBe(false);
  });

  test("are bounded", () => {
    const reads = new LeaderReads();
    let taken = 0;
    while (taken <= MAX_WAITING_READS && reads.add(own(taken))) taken++;
    expect(taken).toBe(MAX_WAITING_READS);
    reads.roundBegins(1, 0);
    expect(reads.add(own(-1))).toBe(false);
    reads.confirmed(1, () => {});
    expect(reads.add(own(-1))).toBe(true);
  });

  test("cost one round of heartbeats for all of a turn", () => {
    const raft = newLeader();
    acknowledge(raft, "b", 1);
    const ids = [raft.requestRead(), raft.requestRead(), raft.requestRead()];
    const { messages } = settle(raft);
    expect(messages.filter(({ type }) => type === "heartbeat")).toHaveLength(2);
    raft.step({ type: "heartbeatReply", from: "c", to: "a", term: 1, round: 1 });
    expect(settle(raft).reads).toEqual(ids.map((id) => ({ id, index: 1 })));
  });
});

describe("reads at a follower", () => {
  test("of one turn share a question", () => {
    const reads = new ForwardedReads();
    for (const id of [5, 6, 7]) reads.add(id);
    expect(reads.ask(100)).toBe(5);
    expect(reads.ask(100)).toBeUndefined();
    expect(reads.answered(6)).toEqual([]);
    expect(reads.answered(5)).toEqual([5, 6, 7]);
    expect(reads.answered(5)).toEqual([]);
  });

  test("expire in order", () => {
    const reads = new ForwardedReads();
    expect(reads.nextDeadline).toBe(Number.POSITIVE_INFINITY);
    reads.add(1);
    reads.ask(100);
    reads.add(2);
    reads.ask(200);
    expect(reads.nextDeadline).toBe(100);
    expect(reads.expired(99)).toEqual([]);
    expect(reads.expired(100)).toEqual([1]);
    expect(reads.nextDeadline).toBe(200);
    reads.add(3);
    expect(reads.abandon()).toEqual([2, 3]);
  });

  test("are bounded, and say so at once", () => {
    const reads = new ForwardedReads();
    for (let id = 0; id < MAX_WAITING_READS; id++) reads.add(id);
    expect(reads.add(-1)).toBe(false);
    reads.ask(1);
    expect(reads.add(-1)).toBe(false);
    expect(reads.answered(0)).toHaveLength(MAX_WAITING_READS);
    expect(reads.add(-1)).toBe(true);
  });

  test("never reuse an id, not even in the next life of the process", () => {
    const draws = [0.25, 0.75];
    const ids = draws.map((draw) => newRaft({ random: () => draw }).requestRead());
    expect(ids[0]).not.toBe(ids[1]);
    expect(ids.every(Number.isSafeInteger)).toBe(true);
    const raft = newRaft({ random: () => 1 - 2 ** -53 });
    expect(Number.isSafeInteger(raft.requestRead())).toBe(true);
    expect(raft.requestRead()).toBe(raft.requestRead() - 1);
  });

  test("are given back when the leader is lost or changes, even in the same turn", () => {
    const raft = newRaft();
    const beat = { type: "heartbeat", commit: 0, round: 1 } as const;
    tell(raft, { ...beat, from: "b", term: 1 });
    const asked = raft.requestRead();
    settle(raft);
    const waiting = raft.requestRead();
    raft.step({ ...beat, from: "c", to: "a", term: 2 });
    expect(settle(raft).reads).toEqual([
      { id: asked, index: undefined },
      { id: waiting, index: undefined },
    ]);
    const reply = { type: "readIndexReply", from: "b", to: "a", term: 1 } as const;
    raft.step({ ...reply, id: asked, index: 9 });
    expect(settle(raft).reads).toEqual([]);
  });

  test("go unanswered after an election timeout", () => {
    const raft = newRaft();
    const beat = { type: "heartbeat", from: "b", term: 1, commit: 0 } as const;
    tell(raft, { ...beat, round: 1 });
    const id = raft.requestRead();
    settle(raft);
    raft.tick(900);
    tell(raft, { ...beat, round: 2 });
    expect(raft.nextDeadline()).toBe(1000);
    raft.tick(1000);
    expect(settle(raft).reads).toEqual([{ id, index: undefined }]);
  });
});
