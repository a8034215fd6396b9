/** A follower loses its disk and comes back empty while writes go on: how long until it votes? */
import { rmSync } from "node:fs";
import { admin } from "../cluster/admin.ts";
import { TestCluster, waitFor } from "../cluster/processes.ts";
import { FEW_ENTRIES, nothingLost, sameTerm, snapshotsReceived, termOf } from "./checks.ts";
import { fill } from "./fill.ts";
import { describeSamples } from "./samples.ts";
import { writeSteadily } from "./writer.ts";

const PER_SECOND = 100;

export async function wiped(tasks: number): Promise<boolean> {
  const cluster = await TestCluster.create(3);
  try {
    for (const node of cluster.nodes) node.env = FEW_ENTRIES;
    await cluster.start();
    await fill(cluster, tasks);
    const term = await termOf(cluster);
    const writer = writeSteadily(cluster.servers, PER_SECOND);
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader)!;
    await follower.kill("SIGKILL");
    rmSync(follower.dataDir, { recursive: true });
    const from = performance.now();
    follower.start();
    const peer = `${follower.id}@${follower.address}`;
    await admin(cluster, "members", "replace", peer, "--promote", "--yes", "--timeout", "5m");
    await waitFor("the follower to serve", () => follower.isReady());
    const seconds = (performance.now() - from) / 1000;
    console.log(`back in service, as a voter and caught up, after ${seconds.toFixed(1)} s`);
    console.log(`snapshots received: ${await snapshotsReceived(follower)}`);
    const calm = await sameTerm(cluster, term);
    await writer.stop();
    const latencies = writer.acknowledged.map(({ startedAt, endedAt }) => endedAt - startedAt);
    console.log(describeSamples("writes meanwhile", latencies));
    console.log(`failed requests: ${writer.failures.length}`);
    return (await nothingLost(cluster, writer)) && calm && writer.failures.length === 0;
  } finally {
    await cluster.close();
  }
}
