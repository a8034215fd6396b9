/**
 * Work flows through real processes while they are killed: leaders, followers, all at once. What was
 * acknowledged must be completed in the end, under one token each, and the nodes must agree.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TaskJson } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { submitSteadily } from "./history.ts";
import { type Node, TestCluster, waitFor } from "./processes.ts";

const LEADER_KILLS = 10;
const FOLLOWER_KILLS = 4;
const PER_SECOND = 200;
/** Time for work to flow between two kills; not a wait for anything. */
const BETWEEN_MS = 1_000;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  await cluster.start();
}, 120_000);

afterAll(async () => {
  await cluster?.close();
});

async function killAndRestart(nodes: readonly Node[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.kill("SIGKILL")));
  if (nodes.length < cluster.nodes.length) await cluster.leader();
  await sleep(BETWEEN_MS / 2);
  for (const node of nodes) node.start();
  await cluster.ready();
}

describe("killed brokers", () => {
  test("lose nothing that was acknowledged and run nothing twice under one token", async () => {
    /** Tokens under which each task ran to its end here. */
    const runs = new Map<string, string[]>();
    const worker = createWorker({
      servers: cluster.servers,
      concurrency: 64,
      handlers: {
        work: (_payload: unknown, ctx: { id: string; token: number | bigint }) => {
          const tokens = runs.get(ctx.id) ?? [];
          tokens.push(String(ctx.token));
          runs.set(ctx.id, tokens);
          return null;
        },
      },
    });
    await worker.start();
    const history = submitSteadily(cluster.servers, PER_SECOND);

    for (let i = 0; i < LEADER_KILLS; i++) {
      await sleep(BETWEEN_MS);
      await killAndRestart([await cluster.leader()]);
    }
    for (let i = 0; i < FOLLOWER_KILLS; i++) {
      await sleep(BETWEEN_MS);
      const leader = await cluster.leader();
      const followers = cluster.nodes.filter((node) => node !== leader);
      await killAndRestart([followers[i % 2] as Node]);
    }
    await sleep(BETWEEN_MS);
    await killAndRestart(cluster.nodes);
    await sleep(BETWEEN_MS);
    await history.stop();
    expect(history.acknowledged.size).toBeGreaterThan(1000);

    const client = connect({ servers: cluster.servers });
    await waitFor("all tasks finished", async () => {
      const stats = (await client.stats()) as { unfinished: number };
      return stats.unfinished === 0;
    });
    const tasks = new Map<string, TaskJson>();
    for await (const task of client.list({})) tasks.set(task.id, task);
    const lost = [...history.acknowledged].filter((id) => tasks.get(id)?.state !== "completed");
    expect(lost).toEqual([]);
    const doubled = [...runs].filter(([, tokens]) => new Set(tokens).size !== tokens.length);
    expect(doubled).toEqual([]);

    await worker.stop();
    await client.close();
    const stats = await cluster.converged();
    expect(new Set(stats.map((each) => each.raft.effect_hash)).size).toBe(1);
    expect(new Set(stats.map((each) => JSON.stringify(each.tasks))).size).toBe(1);
  }, 600_000);
});
