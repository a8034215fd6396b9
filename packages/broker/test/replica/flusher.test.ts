/** When state may go to the disk: never before the log that leads to it, one flush at a time. */
import { expect, test } from "vitest";
import { QueueMachine } from "../../src/queue/index.ts";
import { Flusher } from "../../src/replica/flusher.ts";
import { FLUSH_INTERVAL_MS } from "../../src/replica/limits.ts";
import { MemoryStore, makeId, START, submitOf } from "../queue/harness.ts";

const NEVER = Number.POSITIVE_INFINITY;

function setup() {
  const queue = new QueueMachine(new MemoryStore());
  const flusher = new Flusher(queue, { term: 0, index: 0 }, new Uint8Array());
  const apply = (index: number, now: number) => {
    queue.apply(index, { at: START, commands: [submitOf(makeId(index))] });
    flusher.applied({ term: 1, index }, undefined, now);
  };
  return { flusher, apply };
}

test("a flush waits until the log up to there is durable on this node", () => {
  const { flusher, apply } = setup();
  apply(1, 0);
  apply(2, 0);
  expect(flusher.nextDeadline(1)).toBe(NEVER);
  expect(flusher.start(1, 10 * FLUSH_INTERVAL_MS)).toBeUndefined();
  expect(flusher.nextDeadline(2)).toBe(FLUSH_INTERVAL_MS);
  expect(flusher.start(2, 10 * FLUSH_INTERVAL_MS)).toMatchObject({
    flush: { applied: 2 },
    mark: { applied: 2, logDurable: { term: 1, index: 2 } },
  });
});

test("the next one waits for the end of the one under way, and then for its own time", () => {
  const { flusher, apply } = setup();
  apply(1, 0);
  expect(flusher.start(9, FLUSH_INTERVAL_MS)).toBeDefined();
  apply(2, FLUSH_INTERVAL_MS);
  expect(flusher.start(9, 10 * FLUSH_INTERVAL_MS)).toBeUndefined();
  expect(flusher.flushed()).toBe(1);
  expect(flusher.flushedIndex).toBe(1);
  expect(flusher.nextDeadline(9)).toBe(2 * FLUSH_INTERVAL_MS);
  expect(flusher.start(9, 2 * FLUSH_INTERVAL_MS)).toMatchObject({ mark: { applied: 2 } });
});

test("the end of a flush that was never begun vouches for nothing", () => {
  const { flusher } = setup();
  expect(flusher.flushed()).toBeUndefined();
  expect(flusher.flushedIndex).toBe(0);
});
