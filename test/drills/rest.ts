/** A cluster that nobody asks anything: its leader must stay the leader. */
import { setTimeout as sleep } from "node:timers/promises";
import { TestCluster } from "../cluster/processes.ts";
import { sameTerm, termOf } from "./checks.ts";

const MINUTE_MS = 60_000;

export async function rest(minutes: number): Promise<boolean> {
  const cluster = await TestCluster.create(3);
  try {
    await cluster.start();
    const term = await termOf(cluster);
    await sleep(minutes * MINUTE_MS);
    return await sameTerm(cluster, term);
  } finally {
    await cluster.close();
  }
}
