/** The leader is killed again and again: how long until the next write is acknowledged? */
import { setTimeout as sleep } from "node:timers/promises";
import { TestCluster, waitFor } from "../cluster/processes.ts";
import { nothingLost } from "./checks.ts";
import { describeSamples } from "./samples.ts";
import { writeSteadily } from "./writer.ts";

const PER_SECOND = 100;
const BETWEEN_MS = 1_500;

export async function failover(kills: number): Promise<boolean> {
  const cluster = await TestCluster.create(3);
  try {
    await cluster.start();
    const writer = writeSteadily(cluster.servers, PER_SECOND);
    const gaps: number[] = [];
    for (let i = 0; i < kills; i++) {
      await sleep(BETWEEN_MS);
      const leader = await cluster.leader();
      const killedAt = performance.now();
      await leader.kill("SIGKILL");
      const next = await waitFor("the next write", () => {
        // Counted are only writes that began after the kill: the leader has answered none of them.
        return writer.acknowledged.findLast((write) => write.startedAt > killedAt) === undefined
          ? undefined
          : writer.acknowledged.find((write) => write.startedAt > killedAt);
      });
      gaps.push(next.endedAt - killedAt);
      leader.start();
      await cluster.ready();
    }
    await writer.stop();
    console.log(describeSamples("from the kill to the next acknowledged write", gaps));
    console.log(`failed requests: ${writer.failures.length}`);
    return (await nothingLost(cluster, writer)) && writer.failures.length === 0;
  } finally {
    await cluster.close();
  }
}
