/**
 * A single node becomes a cluster of five and a single node again while work flows, with the leader
 * removed each time and one member replaced after its disk was lost. Real processes, real tq-admin.
 */
import { rmSync } from "node:fs";
import { connect, type TaskJson } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { afterAll, describe, expect, test } from "vitest";
import { admin, tryAdmin } from "./admin.ts";
import { submitSteadily } from "./history.ts";
import { type Node, TestCluster, waitFor } from "./processes.ts";

const PER_SECOND = 100;
/** So few that each new member needs a snapshot. */
const FEW_ENTRIES = { TQ_RAFT__SNAPSHOT_ENTRIES: "100" };

let cluster: TestCluster;

afterAll(async () => {
  await cluster?.close();
});

async function join(node: Node): Promise<void> {
  node.env = FEW_ENTRIES;
  node.start();
  await admin(cluster, "members", "add", `${node.id}@${node.address}`, "--promote");
}

interface MemberRow {
  readonly id: string;
  readonly role: string;
}

async function members(): Promise<readonly MemberRow[]> {
  return JSON.parse(await admin(cluster, "members", "list", "-o", "json")) as MemberRow[];
}

describe("the members of a cluster", () => {
  test("grow from one to five and shrink to one under load, and nothing is lost", async () => {
    cluster = await TestCluster.create(1);
    const [first] = cluster.nodes as [Node];
    await cluster.start();
    const others = [];
    for (let i = 0; i < 4; i++) others.push(await cluster.add());
    const worker = createWorker({
      servers: cluster.servers,
      concurrency: 32,
      handlers: { work: () => null },
    });
    await worker.start();
    const history = submitSteadily(cluster.servers, PER_SECOND);
    await waitFor("some work", () => history.acknowledged.size > 200);

    // The data of a single node stays when it is told to be a member.
    expect(await first.kill("SIGTERM")).toBe(0);
    first.env = { ...FEW_ENTRIES, TQ_RAFT__ENABLED: "true" };
    first.start();
    await cluster.ready();

    for (const node of others) await join(node);
    expect((await members()).map(({ id }) => id)).toEqual(cluster.nodes.map(({ id }) => id));

    const lost = others[1] as Node;
    await lost.kill("SIGKILL");
    rmSync(lost.dataDir, { recursive: true });
    lost.start();
    await admin(cluster, "members", "replace", `${lost.id}@${lost.address}`, "--promote", "--yes");

    for (let size = 4; size >= 1; size--) {
      const leader = await cluster.leader();
      await admin(cluster, "members", "remove", leader.id, "--yes");
      await leader.exited();
      await cluster.ready();
      expect((await members()).length).toBe(size);
    }
    const refused = await tryAdmin(cluster, "members", "remove", cluster.running[0]!.id, "--yes");
    expect(refused.status).not.toBe(0);

    await history.stop();
    expect(history.acknowledged.size).toBeGreaterThan(1000);
    const client = connect({ servers: cluster.running[0]!.address });
    await waitFor("all tasks finished", async () => {
      const stats = (await client.stats()) as { unfinished: number };
      return stats.unfinished === 0;
    });
    const tasks = new Map<string, TaskJson>();
    for await (const task of client.list({})) tasks.set(task.id, task);
    const missing = [...history.acknowledged].filter((id) => tasks.get(id)?.state !== "completed");
    expect(missing).toEqual([]);
    await worker.stop();
    await client.close();
  }, 600_000);
});
