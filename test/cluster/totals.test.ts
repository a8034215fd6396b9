/**
 * The totals of the state as Prometheus reads them of real processes: every broker shows the same,
 * and none shows a lower one after its leader, or all of them, were killed.
 */
import { connect } from "task-queue-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "./http.ts";
import { type Node, TestCluster, waitFor } from "./processes.ts";

const LIMIT_MS = 180_000;
const FAMILY = /^(tq_cluster_\w+_total) (\d+)$/gm;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  await cluster.start();
}, LIMIT_MS);

afterAll(() => cluster?.close());

/** Those that a broker shows; none while it is down or has not caught up. */
async function totalsOf({ restPort }: Node): Promise<Record<string, number>> {
  const page = await ask(`http://127.0.0.1:${restPort}/metrics`).catch(() => ({ text: "" }));
  return Object.fromEntries([...page.text.matchAll(FAMILY)].map(([, name, n]) => [name!, +n!]));
}

async function submit(count: number): Promise<void> {
  const client = connect({ servers: cluster.servers.join(",") });
  await client.submitMany(Array.from({ length: count }, () => ({ type: "nobody", payload: 1 })));
  await client.close();
}

async function everywhere(entered: number): Promise<void> {
  await waitFor(`${entered} tasks on every page`, async () => {
    const all = await Promise.all(cluster.nodes.map(totalsOf));
    for (const { tq_cluster_tasks_entered_total: shown = entered } of all) {
      expect(shown).toBeGreaterThanOrEqual(least);
    }
    return all.every((totals) => totals["tq_cluster_tasks_entered_total"] === entered);
  });
}

/** What some broker has shown. */
let least = 0;

test(
  "are the same on every broker, and never fall",
  async () => {
    await submit(70);
    await everywhere(70);
    least = 70;
    const leader = await cluster.leader();
    await leader.kill("SIGKILL");
    await submit(30);
    await leader.start();
    await everywhere(100);
    least = 100;
    for (const node of cluster.nodes) await node.kill("SIGKILL");
    await cluster.start();
    await everywhere(100);
    const [one] = cluster.nodes;
    expect(await totalsOf(one!)).toEqual({
      tq_cluster_tasks_entered_total: 100,
      tq_cluster_tasks_ended_total: 0,
      tq_cluster_runs_total: 0,
    });
  },
  LIMIT_MS,
);
