/** `tq-admin doctor`: each thing that can be amiss is found, and only that. */
import type { ClusterJson, QueueJson } from "task-queue-client";
import { expect, test } from "vitest";
import { admin, CLUSTER, type FakeClient, memberJson, THREE } from "./doubles.ts";

const WELL: QueueJson = { name: "mail", counts: { pending: 1 } };

async function examined(cluster: ClusterJson, queues = [WELL], change?: (it: FakeClient) => void) {
  const result = await admin("doctor", (fake) => {
    fake.clusters = [cluster];
    fake.queues = async () => queues as never;
    change?.(fake);
  });
  const all: { check: string; verdict: string; advice: string }[] = JSON.parse(result.stdout);
  const amiss = all.filter(({ verdict }) => verdict !== "ok");
  expect(all.filter(({ advice }) => advice !== "")).toEqual(amiss);
  return { ...result, amiss: amiss.map(({ check, verdict }) => `${check} ${verdict}`) };
}

test.each([
  ["one", CLUSTER],
  ["three", THREE],
])("nothing is amiss in a cluster of %s", async (_, cluster) => {
  expect(await examined(cluster)).toMatchObject({ status: 0, amiss: [] });
});

test("no leader is all that can be said then", async () => {
  const { status, amiss, client } = await examined({ ...THREE, leader_id: null });
  expect([status, amiss, client.asked]).toEqual([1, ["leader fail"], [["cluster"]]]);
});

test.each([
  ["one of three", [], 1, ["members fail"]],
  ["one of five", [memberJson("node4"), memberJson("node5")], 0, ["members warn"]],
] as const)("a member that is down: %s", async (_, more, status, expected) => {
  const ill = memberJson("node3", { healthy: false });
  const members = [...THREE.members.slice(0, 2), ill, ...more];
  expect(await examined({ ...THREE, members })).toMatchObject({ status, amiss: expected });
});

test("a learner that is down costs no majority", async () => {
  const learner = memberJson("node4", { role: "learner", healthy: false });
  const cluster = { ...THREE, members: [...THREE.members, learner] };
  expect((await examined(cluster)).amiss).toEqual(["members warn"]);
});

test("a member far behind, and one of another version", async () => {
  const members = [
    memberJson("node1", { role: "leader" }),
    memberJson("node2", { lag: 10_001 }),
    memberJson("node3", { version: "0.2.0" }),
  ];
  const { amiss } = await examined({ ...THREE, members });
  expect(amiss).toEqual(["replication warn", "versions warn"]);
});

test("queues that are stuck, paused or full of dead tasks, and nobody who works", async () => {
  const queues: QueueJson[] = [
    { name: "late", counts: { pending: 1 }, oldest_pending_at: "2030-01-31T11:54:59.000Z" },
    { name: "fresh", counts: { pending: 1 }, oldest_pending_at: "2030-01-31T11:55:01.000Z" },
    { name: "held", counts: { dead: 3 }, paused: true },
  ];
  const { status, amiss, stdout } = await examined(CLUSTER, queues, (fake) => {
    fake.workers = async () => [] as never;
  });
  expect([status, amiss]).toEqual([
    0,
    ["workers warn", "queues warn", "paused warn", "dead tasks warn"],
  ]);
  expect(stdout).toContain('"found":"late wait"');
  expect(stdout).toContain('"found":"held"');
});
