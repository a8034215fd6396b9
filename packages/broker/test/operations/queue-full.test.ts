/** The refusal of a full queue says which queue it is, and what bounds it. */
import { TqError } from "task-queue-protocol";
import { expect, test } from "vitest";
import { nameFullQueue } from "../../src/operations/queue-full.ts";

const FULL = new TqError("queue_full", "The queue holds as many unfinished tasks as it may.");

function said(depthLimit: number, queueDepthThreshold: number, error = FULL): string {
  const broker = { depthLimit: (name: string) => (name === "mail" ? depthLimit : 0) };
  const named = nameFullQueue(error, broker, "mail", { queueDepthThreshold });
  expect([named.code, named.field]).toEqual([error.code, error.field]);
  return named.message;
}

test.each([
  [5, 100, "(5, its depth_limit)"],
  [0, 100, "(100, broker.queue_depth_threshold)"],
  [0, 0, "(broker.queue_depth_threshold of the leader)"],
])("a limit of its own goes before the threshold: %d, %d", (own, threshold, words) => {
  const text = `queue "mail" holds as many unfinished tasks as it may ${words}; try later`;
  expect(said(own, threshold)).toBe(text);
});

test("of several tasks the one that found no room is still named", () => {
  const error = new TqError("queue_full", "tasks[3]: full", { field: "tasks[3]" });
  expect(said(5, 0, error)).toMatch(/^tasks\[3\]: queue "mail" holds/);
});

test("any other refusal stays as it is", () => {
  const other = new TqError("overloaded", "too much");
  expect(said(5, 5, other)).toBe("too much");
});
