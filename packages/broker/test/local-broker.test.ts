/** Writes of a later version on a node that has not heard yet that the cluster works with it. */
import { expect, test } from "vitest";
import { LocalBroker } from "../src/local-broker.ts";
import type { StatusFacts } from "../src/node-status.ts";
import type { Outcome } from "../src/operations/broker.ts";
import type { Command } from "../src/queue/index.ts";
import type { Runtime } from "../src/runtime.ts";
import { makeId, submitOf } from "./queue/harness.ts";
import { Cluster } from "./replica/cluster.ts";
import { type TestNode, WALL } from "./replica/harness.ts";

const LATER = submitOf(makeId(1, WALL), { group: "customer 7" });
const EARLY = "this needs version 3 of the cluster, which works with 1: tq-admin upgrade finalize";

/** The doors' view of this node. */
function brokerOf(node: TestNode): LocalBroker {
  const runtime = {
    replica: node.replica,
    input: (act: Parameters<Runtime["input"]>[0]) => {
      node.input(act as unknown as Parameters<TestNode["input"]>[0]);
    },
    onFinished() {},
    onInstalled() {},
  } as unknown as Runtime;
  const greet = () => Promise.reject(new Error("nobody is greeted here"));
  return new LocalBroker(runtime, {} as StatusFacts, greet);
}

function ask(node: TestNode, command: Command): Outcome[] {
  const outcomes: Outcome[] = [];
  brokerOf(node).request(command, (outcome) => outcomes.push(outcome));
  return outcomes;
}

/** The others have raised the version of the cluster, and this follower has not heard of it. */
function withLateFollower() {
  const cluster = new Cluster(3);
  const leader = cluster.elect();
  const late = cluster.nodes.find((node) => node !== leader)!;
  cluster.cut.add(late.id);
  leader.change({ kind: "raise", to: 3 });
  cluster.settle();
  expect([leader, late].map(({ queue }) => queue.version)).toEqual([3, 1]);
  return { cluster, late };
}

test("are done as soon as it has heard of it", () => {
  const { cluster, late } = withLateFollower();
  cluster.cut.clear();
  const outcomes = ask(late, LATER);
  cluster.elapse(1_000);
  expect(outcomes).toMatchObject([{ kind: "applied", reply: { code: "ok" } }]);
});

test("are certainly not done while it cannot ask", () => {
  const { cluster, late } = withLateFollower();
  const outcomes = ask(late, LATER);
  cluster.elapse(10_000);
  expect(outcomes).toMatchObject([{ kind: "refused", code: "no_leader" }]);
  expect(late.forwarded).toBe(0);
});

test("are refused where it knows that nobody has raised it; the others wait for nothing", () => {
  const cluster = new Cluster(3);
  const follower = cluster.nodes.find((node) => node !== cluster.elect())!;
  const outcomes = ask(follower, LATER);
  cluster.elapse(1_000);
  const reply = { code: "state_conflict", message: EARLY };
  expect(outcomes).toMatchObject([{ kind: "applied", reply }]);
  ask(follower, submitOf(makeId(2, WALL)));
  follower.turn();
  expect(follower.forwarded).toBe(1);
});

test("are certainly not done while the cluster is being founded", () => {
  const cluster = new Cluster(1);
  const [only] = cluster.nodes as [TestNode];
  cluster.elect();
  Object.defineProperty(only.replica, "clusterVersion", { value: 3 });
  const outcomes = ask(only, LATER);
  cluster.elapse(1_000);
  expect(outcomes).toMatchObject([{ kind: "refused", code: "no_leader" }]);
});

test("its clock is never behind what was applied", () => {
  const cluster = new Cluster(1);
  const leader = cluster.elect();
  cluster.settle();
  const { clock } = leader.queue;
  Object.defineProperty(leader.replica, "clock", { value: { read: () => clock - 60_000 } });
  expect(brokerOf(leader).clock()).toBe(clock);
});
