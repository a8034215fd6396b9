/** `tq-admin doctor`: each thing that can be amiss is found, and only that. */
import type { ClusterJson, QueueJson } from "task-queue-client";
import { expect, test } from "vitest";
import { LeaderProgress } from "../../broker/src/leader-progress.ts";
import { nodeStatus } from "../../broker/src/node-status.ts";
import type { Broker } from "../../broker/src/operations/broker.ts";
import { clusterStatus } from "../../broker/src/operations/cluster.ts";
import type { NodeReplica } from "../../broker/src/runtime.ts";
import * as doubles from "./doubles.ts";
import { admin, type FakeClient, memberJson } from "./doubles.ts";
import { openBroker } from "./real-broker.ts";

/** With the highest version that their programs know. */
const CLUSTER: ClusterJson = { ...doubles.CLUSTER, cluster_version: 2 };
const THREE: ClusterJson = { ...doubles.THREE, cluster_version: 2 };

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

/** What a broker of three says of them, as it leaves it. */
function seenByBroker(): ClusterJson {
  const members = ["node1", "node2", "node3"].map((id) => {
    return { id, address: `${id}:6379`, voter: true, versions: { min: 1, max: 4 } };
  });
  const raft = { id: "node1", role: "leader", leader: "node1", lastIndex: 9, status: () => [] };
  const queue = { applied: 9, effectHash: "00", version: 4 };
  const replica = { raft, queue, members, leads: true, clusterVersion: 4 };
  const facts = {
    clusterId: "c",
    version: "0.4.0",
    walSyncIntervalMs: 0,
    isConnected: () => true,
    programOf: () => "",
    leader: new LeaderProgress(),
    isDraining: () => false,
  };
  const runtime = { replica: replica as unknown as NodeReplica, isReceivingSnapshot: false };
  const broker = { status: () => nodeStatus(runtime, facts), intakeClosed: false };
  return clusterStatus(broker as unknown as Broker).value;
}

test("a member whose version only itself knows is no second version", async () => {
  const cluster = seenByBroker();
  expect(cluster.members.map(({ version }) => version)).toEqual(["0.4.0", "", ""]);
  expect(await examined(cluster)).toMatchObject({ status: 0, amiss: [] });
  for (const line of ["cluster-status", "members list"]) {
    const { stdout } = await admin(
      line,
      (fake) => {
        fake.clusters = [cluster];
      },
      { isTerminal: true },
    );
    expect(stdout).toMatch(/node1 .* 0\.4\.0\n/);
    expect(stdout).toMatch(/node2 .* -\n/);
  }
});

test("an upgrade that waits for its end", async () => {
  const { status, amiss, stdout } = await examined(doubles.THREE);
  expect([status, amiss]).toEqual([0, ["versions warn"]]);
  expect(stdout).toContain('"found":"0.1.0; the cluster works with 1"');
  expect(stdout).toContain("tq-admin upgrade finalize");
});

test("an even number of voters outlives no more than the odd one below it", async () => {
  const { amiss, stdout } = await examined({
    ...THREE,
    members: [...THREE.members, memberJson("node4")],
  });
  expect(amiss).toEqual(["members warn"]);
  expect(stdout).toContain("4 voters, of which 1 may fail");
  expect(stdout).toContain("an odd number is better: 3 outlive as many");
});

test("a cluster that takes no tasks for want of room on its disks", async () => {
  const broker = await openBroker("1024GB");
  const [open, closed] = [await openBroker(), await broker.call(["doctor"])];
  const intakeOf = (stdout: string) => {
    return JSON.parse(stdout).find(({ check }: { check: string }) => check === "intake");
  };
  expect(closed.status).toBe(1);
  expect(intakeOf(closed.stdout)).toMatchObject({ verdict: "fail" });
  expect(intakeOf(closed.stdout).found).toContain("disk_full");
  expect(intakeOf((await open.call(["doctor"])).stdout)).toMatchObject({ verdict: "ok" });
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
