/** A node that has much to apply does it in pieces, and takes its turns in between. */
import { expect, test } from "vitest";
import { makeId, submitOf } from "../queue/harness.ts";
import { Cluster } from "./cluster.ts";
import { WALL } from "./harness.ts";

const TASKS = 40;
/** A turn looks for what is ready again when it has applied some. */
const GOES_PER_TURN = 2;

/** A follower that has missed so many entries, has just got them all, and applies one at a go. */
function behind() {
  const cluster = new Cluster(3, "durable", () => ({ applyWork: 1 }));
  const leader = cluster.elect();
  const late = cluster.nodes.find((node) => node !== leader)!;
  cluster.cut.add(late.id);
  for (let n = 1; n <= TASKS; n++) {
    leader.request(submitOf(makeId(n, WALL + cluster.now)));
    cluster.settle();
  }
  cluster.cut.delete(late.id);
  const steps: number[] = [];
  let { applied } = late.queue;
  cluster.watch = (node) => {
    if (node !== late) return;
    steps.push(late.queue.applied - applied);
    ({ applied } = late.queue);
  };
  for (let ms = 0; late.replica.raft.commit < leader.queue.applied; ms++) {
    expect(ms).toBeLessThan(1_000);
    cluster.elapse(1);
  }
  expect(late.queue.applied).toBeLessThan(leader.queue.applied);
  return { cluster, leader, late, steps };
}

test("no turn applies more than the limit, and the next one is due at once", () => {
  const { cluster, leader, late, steps } = behind();
  cluster.cut.add(late.id);
  cluster.elapse(TASKS);
  expect(late.queue.applied).toBe(leader.queue.applied);
  expect(late.queue.effectHash).toEqual(leader.queue.effectHash);
  expect(Math.max(...steps)).toBe(GOES_PER_TURN);
});

test("a linearizable read waits for the last piece", () => {
  const { cluster, leader, late } = behind();
  const appliedThen: number[] = [];
  late.input((replica) => replica.read(() => appliedThen.push(late.queue.applied), true, 0));
  cluster.settle();
  expect(appliedThen).toEqual([]);
  cluster.elapse(1_000);
  expect(appliedThen).toEqual([leader.queue.applied]);
});
