/** News of a commit may wait for an entry to go with, but not where a caller waits for it. */
import { expect, test } from "vitest";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { WALL } from "./harness.ts";

const DELAY_MS = 5;

test("a node that forwarded a write has applied it when the answer comes", () => {
  const cluster = new Cluster(3, "durable", () => ({ commitDelayMs: DELAY_MS }));
  const leader = cluster.elect();
  cluster.elapse(1_000);
  const [asked, other] = cluster.nodes.filter((node) => node !== leader);
  const { applied } = leader.queue;
  const outcomes = asked!.request(submitOf(makeId(1, WALL + cluster.now)));
  cluster.settle();
  expect(outcomes).toMatchObject([{ kind: "applied", index: applied + 1 }]);
  expect(asked!.queue.applied).toBe(applied + 1);
  expect(other!.queue.applied).toBe(applied);
  cluster.elapse(DELAY_MS);
  expect(other!.queue.applied).toBe(applied + 1);
});
