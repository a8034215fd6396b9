/**
 * The leader hands its office over while an application writes: by command, and by SIGTERM as in a
 * rolling restart. How long does the slowest write wait, and does any fail?
 */
import { setTimeout as sleep } from "node:timers/promises";
import { admin } from "../cluster/admin.ts";
import { TestCluster } from "../cluster/processes.ts";
import { nothingLost } from "./checks.ts";
import { describeSamples } from "./samples.ts";
import { longestGap, slowest, type Writer, writeSteadily } from "./writer.ts";

const PER_SECOND = 200;
const SETTLE_MS = 700;

export async function transfer(transfers: number): Promise<boolean> {
  const cluster = await TestCluster.create(3);
  try {
    await cluster.start();
    const writer = writeSteadily(cluster.servers, PER_SECOND);
    await sleep(2 * SETTLE_MS);
    await repeat(writer, "by command", transfers, async () => {
      await admin(cluster, "transfer-leadership");
    });
    await repeat(writer, "by SIGTERM", Math.ceil(transfers / 4), async () => {
      const leader = await cluster.leader();
      const status = await leader.kill("SIGTERM");
      if (status !== 0) throw new Error(`the broker exited with ${status}: ${leader.log()}`);
      leader.start();
      await cluster.ready();
    });
    await writer.stop();
    console.log(`failed requests: ${writer.failures.length}`);
    return (await nothingLost(cluster, writer)) && writer.failures.length === 0;
  } finally {
    await cluster.close();
  }
}

async function repeat(
  writer: Writer,
  how: string,
  times: number,
  act: () => Promise<void>,
): Promise<void> {
  const spans: (readonly [number, number])[] = [];
  for (let i = 0; i < times; i++) {
    const from = performance.now();
    await act();
    await sleep(SETTLE_MS);
    spans.push([from, performance.now()]);
  }
  const { acknowledged } = writer;
  const gaps = spans.map(([from, to]) => longestGap(acknowledged, from, to));
  const slow = spans.map(([from, to]) => slowest(acknowledged, from, to));
  console.log(describeSamples(`${how}, longest time without an acknowledgement`, gaps));
  console.log(describeSamples(`${how}, slowest write`, slow));
}
