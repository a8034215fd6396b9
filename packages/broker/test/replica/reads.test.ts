import { describe, expect, test } from "vitest";
import { READ_DEADLINE_MS, READ_RETRY_MS } from "../../src/replica/limits.ts";
import { Reads } from "../../src/replica/reads.ts";

/** Rounds that were asked for, and a way to serve and to see who got what. */
function setup() {
  const reads = new Reads<string>();
  let rounds = 0;
  const answered: [string, number | undefined][] = [];
  return {
    reads,
    answered,
    rounds: () => rounds,
    start: (now: number) => reads.startRound(now, () => ++rounds),
    serve: (applied: number, now = 0) =>
      reads.serve(applied, now, (waiter, at) => answered.push([waiter, at])),
  };
}

describe("reads that wait", () => {
  test("share one round when they arrive before it starts", () => {
    const { reads, answered, rounds, start, serve } = setup();
    reads.add("a", true, 0, 0);
    reads.add("b", true, 0, 0);
    start(0);
    expect(rounds()).toBe(1);
    reads.confirmed([{ id: 1, index: 7 }], 0);
    serve(7);
    expect(answered).toEqual([
      ["a", 7],
      ["b", 7],
    ]);
  });

  test("never join a round that is under way", () => {
    const { reads, answered, rounds, start, serve } = setup();
    reads.add("early", true, 0, 0);
    start(0);
    reads.add("late", true, 0, 0);
    reads.confirmed([{ id: 1, index: 7 }], 0);
    serve(7);
    expect(answered).toEqual([["early", 7]]);
    start(0);
    expect(rounds()).toBe(2);
  });

  test("wait until apply has reached the confirmed index", () => {
    const { reads, answered, start, serve } = setup();
    reads.add("a", true, 0, 0);
    start(0);
    reads.confirmed([{ id: 1, index: 9 }], 0);
    serve(8);
    expect(answered).toEqual([]);
    serve(9);
    expect(answered).toEqual([["a", 9]]);
  });

  test("wait for what their caller has seen on another node", () => {
    const { reads, answered, serve } = setup();
    reads.add("session", false, 5, 0);
    serve(4);
    expect(answered).toEqual([]);
    serve(6);
    expect(answered).toEqual([["session", 6]]);
  });

  test("are asked for again, under a new id, when no leader confirmed them", () => {
    const { reads, answered, rounds, start, serve } = setup();
    reads.add("a", true, 0, 0);
    start(0);
    reads.confirmed([{ id: 1, index: undefined }], 0);
    start(READ_RETRY_MS - 1);
    expect(rounds()).toBe(1);
    start(READ_RETRY_MS);
    expect(rounds()).toBe(2);
    // A late word on the first round means nothing any more.
    reads.confirmed([{ id: 1, index: 3 }], 0);
    serve(100);
    expect(answered).toEqual([]);
  });

  test("are given up after their deadline", () => {
    const { reads, answered, start, serve } = setup();
    reads.add("a", true, 0, 0);
    start(0);
    expect(reads.nextDeadline()).toBe(READ_DEADLINE_MS);
    serve(100, READ_DEADLINE_MS);
    expect(answered).toEqual([["a", undefined]]);
    expect(reads.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });
});
