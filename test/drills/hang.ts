/**
 * Disks that hang or fail under a running broker. A leader whose disk hangs must make room for one
 * whose disk does not; a broker whose disk has failed once must end before it acknowledges anything
 * more, for LevelDB goes on after an error and loses what comes next.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { passes } from "../cluster/audit.ts";
import type { Node, TestCluster } from "../cluster/processes.ts";
import { waitFor } from "../cluster/processes.ts";
import { inject } from "../cluster/strace.ts";
import { Traffic } from "../cluster/traffic.ts";
import { onCluster } from "./stage.ts";

const HANG = "fdatasync:delay_enter=60000000";
/** A leader with a dead disk is replaced within this. */
const REPLACED_MS = 5_000;
/** Acknowledged submits while the disk hangs. */
const MEANWHILE = 500;
const BETWEEN = 150;
const STORAGE_FAULT = 74;

export async function hang(rounds: number): Promise<boolean> {
  const replaced = await onCluster(3, (cluster) => hangingLeaders(cluster, rounds));
  // One node alone: what it acknowledges after the fault nobody else can give back.
  const ended = await onCluster(1, (cluster) => failingDisks(cluster, rounds));
  return replaced && ended;
}

async function hangingLeaders(cluster: TestCluster, rounds: number): Promise<boolean> {
  await cluster.start();
  const traffic = await Traffic.begin(cluster);
  let inTime = true;
  for (let round = 0; round < rounds; round++) {
    const leader = await cluster.leader();
    const from = performance.now();
    const injection = await inject(leader, HANG);
    const traced = performance.now();
    const next = await otherLeader(cluster, leader);
    const elected = performance.now();
    const write = await waitFor("a write of the next leader", () =>
      traffic.ledger.firstSince(elected),
    );
    const took = write.endedAt - traced;
    console.log(
      `the disk of ${leader.id} hangs: ${next.id} leads after ${Math.round(elected - traced)} ms, ` +
        `and acknowledges after ${Math.round(took)} ms (strace took ${Math.round(traced - from)})`,
    );
    inTime &&= took <= REPLACED_MS;
    await traffic.flow(MEANWHILE);
    await injection.end();
    await cluster.allReady();
    await traffic.flow(BETWEEN);
  }
  return (await passes(cluster, traffic)) && inTime;
}

async function otherLeader(cluster: TestCluster, former: Node): Promise<Node> {
  return await waitFor("another leader", async () => {
    for (const node of cluster.running) {
      if (node === former) continue;
      const answer = await node.get("/leader").catch(() => undefined);
      if (answer?.status === 200) return node;
    }
    return undefined;
  });
}

const FAULTS: readonly (readonly [what: string, directory: string | undefined])[] = [
  ["fdatasync:error=EIO:when=1", undefined],
  ["write:error=EIO:when=1", "log"],
  ["write:error=ENOSPC:when=1", "log"],
  ["write:error=EIO:when=1", "state-1"],
  ["write:error=ENOSPC:when=1", "state-1"],
];

async function failingDisks(cluster: TestCluster, rounds: number): Promise<boolean> {
  await cluster.start();
  const traffic = await Traffic.begin(cluster);
  const node = cluster.nodes[0] as Node;
  let allEnded = true;
  for (let round = 0; round < rounds; round++) {
    for (const [what, directory] of FAULTS) {
      const path = directory === undefined ? undefined : newestLog(join(node.dataDir, directory));
      const injection = await inject(node, what, path);
      const from = performance.now();
      const status = await node.exited();
      const tookMs = Math.round(performance.now() - from);
      await injection.end();
      console.log(`${what} ${directory ?? ""}: ended with ${status} after ${tookMs} ms`);
      allEnded &&= status === STORAGE_FAULT;
      node.start();
      await cluster.allReady();
      await traffic.flow(BETWEEN);
    }
  }
  return (await passes(cluster, traffic)) && allEnded;
}

/** LevelDB writes to the one with the highest number. */
function newestLog(dir: string): string {
  const names = readdirSync(dir).filter((name) => name.endsWith(".log"));
  return join(dir, names.sort().at(-1) ?? "");
}
