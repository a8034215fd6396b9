/**
 * What must not cost the leader its office, all at once: a list of all tasks, a flood of bad
 * requests, and a snapshot for a member whose disk was lost.
 */
import { rmSync } from "node:fs";
import { connect } from "task-queue-client";
import { admin } from "../cluster/admin.ts";
import { httpGet, type Node, TestCluster } from "../cluster/processes.ts";
import { FEW_ENTRIES, nothingLost, sameTerm, snapshotsReceived, termOf } from "./checks.ts";
import { fill } from "./fill.ts";
import { describeSamples } from "./samples.ts";
import { writeSteadily } from "./writer.ts";

const PER_SECOND = 100;
const BAD_REQUESTS = 20_000;
const AT_ONCE = 50;

export async function calm(tasks: number): Promise<boolean> {
  const cluster = await TestCluster.create(3);
  try {
    for (const node of cluster.nodes) node.env = FEW_ENTRIES;
    await cluster.start();
    const term = await termOf(cluster);
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    await fill(cluster, tasks);
    const writer = writeSteadily(cluster.servers, PER_SECOND);
    await follower.kill("SIGKILL");
    rmSync(follower.dataDir, { recursive: true });
    follower.start();
    const peer = `${follower.id}@${follower.address}`;
    await Promise.all([
      admin(cluster, "members", "replace", peer, "--promote", "--yes", "--timeout", "5m"),
      listAll(leader),
      floodWithNonsense(leader),
    ]);
    await cluster.ready();
    console.log(`snapshots received: ${await snapshotsReceived(follower)}`);
    await writer.stop();
    const latencies = writer.acknowledged.map(({ startedAt, endedAt }) => endedAt - startedAt);
    console.log(describeSamples("writes meanwhile", latencies));
    const noElection = await sameTerm(cluster, term);
    return noElection && (await nothingLost(cluster, writer)) && writer.failures.length === 0;
  } finally {
    await cluster.close();
  }
}

async function listAll(node: Node): Promise<void> {
  const from = performance.now();
  const client = connect({ servers: node.address });
  let count = 0;
  for await (const _task of client.list({})) count++;
  await client.close();
  const seconds = (performance.now() - from) / 1000;
  console.log(`listed ${count} tasks in ${seconds.toFixed(1)} s`);
}

const BAD_PATHS = [
  "/api/v1/tasks?limit=1e9",
  "/api/v1/tasks/not-an-id",
  "/api/v1/tasks?status=nonsense&cursor=%00%ff",
  "/%2e%2e/%2e%2e/etc/passwd",
  "/api/v1/queues/%F0%9F",
];

async function floodWithNonsense(node: Node): Promise<void> {
  const from = performance.now();
  const counts = new Map<number, number>();
  let sent = 0;
  const flood = async (): Promise<void> => {
    while (sent < BAD_REQUESTS) {
      const path = BAD_PATHS[sent++ % BAD_PATHS.length] as string;
      const { status } = await httpGet(`http://127.0.0.1:${node.restPort}${path}`);
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, flood));
  const seconds = (performance.now() - from) / 1000;
  const answers = [...counts].map(([status, count]) => `${count} × ${status}`).join(", ");
  console.log(`${sent} bad requests in ${seconds.toFixed(1)} s: ${answers}`);
}
