/**
 * Disks that fill up. Below the floor new tasks are refused while reads and work under way go on,
 * and room is all it takes to be well again; a disk that is really full ends its broker, which
 * starts again on it, and nothing that was acknowledged is lost.
 */
import { existsSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { connect } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { passes } from "../cluster/audit.ts";
import { type Disk, giveDisks } from "../cluster/disks.ts";
import { ask } from "../cluster/http.ts";
import { type Node, type TestCluster, waitFor } from "../cluster/processes.ts";
import { codeOf } from "../cluster/submitter.ts";
import { Traffic } from "../cluster/traffic.ts";
import { FEW_ENTRIES } from "./checks.ts";
import { onCluster } from "./stage.ts";

const DISK_MIB = 128;
const MIB = 1024 * 1024;
const FLOOR_MIB = 32;
const BELOW_FLOOR_MIB = 24;
const SETTINGS = {
  ...FEW_ENTRIES,
  TQ_PERSISTENCE__MIN_FREE_DISK: `${FLOOR_MIB}MB`,
  TQ_PERSISTENCE__WRITE_BUFFER_SIZE: "1MB",
};
const PER_SECOND = 100;
const WAITING = 100;
const BETWEEN = 150;
const STORAGE_FAULT = 74;

export async function full(rounds: number): Promise<boolean> {
  return await onCluster(3, async (cluster) => {
    for (const node of cluster.nodes) node.env = SETTINGS;
    const disks = giveDisks(cluster, DISK_MIB);
    await cluster.start();
    const ballasts = cluster.nodes.map((node) => join(node.dataDir, "ballast"));
    await waitFor("ballast on every disk", () => ballasts.every((path) => existsSync(path)));
    const traffic = await Traffic.begin(cluster, PER_SECOND);
    let asItShould = true;
    for (let round = 0; round < rounds; round++) {
      await belowTheFloor(cluster, disks);
      await traffic.flow(BETWEEN);
      const leader = await cluster.leader();
      const follower = cluster.nodes.find((node) => node !== leader) as Node;
      for (const node of [follower, leader]) {
        asItShould = (await reallyFull(cluster, node, disks)) && asItShould;
        await traffic.flow(BETWEEN);
      }
    }
    return (await passes(cluster, traffic)) && asItShould;
  });
}

/** All disks: a cluster in which a quorum has room may go on taking tasks. */
async function belowTheFloor(cluster: TestCluster, disks: ReadonlyMap<Node, Disk>): Promise<void> {
  const client = connect({ servers: cluster.servers });
  const waiting = await client.submitMany(
    Array.from({ length: WAITING }, (_, n) => ({
      type: "later",
      payload: { n },
      options: { queue: "later" },
    })),
  );
  const ids = waiting.map((each) => {
    if (each instanceof Error) throw each;
    return each.id;
  });
  for (const disk of disks.values()) occupy(disk, BELOW_FLOOR_MIB * MIB);
  const from = performance.now();
  for (const node of cluster.nodes) {
    await waitFor(`${node.id} to refuse`, async () => (await submitTo(node)) === "disk_full");
  }
  console.log(`refused on every node ${seconds(from)} after the disks went below the floor`);
  const worker = createWorker({
    servers: cluster.servers,
    queues: ["later"],
    handlers: { later: () => null },
  });
  await worker.start();
  for (const id of ids) await client.result(id, { timeoutMs: 60_000 });
  await worker.stop();
  await client.close();
  console.log(`${ids.length} tasks were run and read meanwhile`);
  for (const disk of disks.values()) vacate(disk);
  const since = performance.now();
  for (const node of cluster.nodes) {
    await waitFor(`${node.id} to accept`, async () => (await submitTo(node)) === "accepted");
  }
  console.log(`accepted on every node ${seconds(since)} after there was room again`);
}

/** The node ends, starts again on the full disk, and goes on when there is room. */
async function reallyFull(
  cluster: TestCluster,
  node: Node,
  disks: ReadonlyMap<Node, Disk>,
): Promise<boolean> {
  const disk = disks.get(node) as Disk;
  occupy(disk, 0);
  const from = performance.now();
  const status = await waitFor(`${node.id} to end`, () => (node.isRunning ? false : node.exited()));
  console.log(`${node.id} ended with ${status}, ${seconds(from)} after its disk was full`);
  // What the end of the process has freed is taken as well.
  occupy(disk, 0);
  node.start();
  await waitFor(`${node.id} on a full disk`, () => node.isReady());
  console.log(`${node.id} started on the full disk`);
  vacate(disk);
  await cluster.allReady();
  return status === STORAGE_FAULT;
}

let fillers = 0;

/** Takes all the room of a disk but so many bytes; root's reserve too when nothing is to be left. */
function occupy(disk: Disk, leaveBytes: number): void {
  const { bavail, bfree, bsize } = statfsSync(disk.path);
  const bytes = (leaveBytes === 0 ? bfree : bavail) * bsize - leaveBytes;
  if (bytes > 0) disk.occupy(`filler-${fillers++}`, bytes);
}

function vacate(disk: Disk): void {
  for (let n = 0; n < fillers; n++) rmSync(join(disk.path, `filler-${n}`), { force: true });
}

/** `accepted`, or the code of the refusal. */
async function submitTo(node: Node): Promise<string> {
  const body = { type: "probe", queue: "probe", payload: null };
  const url = `http://127.0.0.1:${node.restPort}/api/v1/tasks`;
  const answer = await ask(url, { method: "POST", body }).catch(() => undefined);
  if (answer === undefined) return "no answer";
  return answer.status === 201 ? "accepted" : codeOf(answer);
}

function seconds(from: number): string {
  return `${((performance.now() - from) / 1000).toFixed(1)} s`;
}
