/**
 * Five hundred wrong keys a second at three brokers, of ever other addresses, while an application with
 * a right one writes: comparing keys is dear, and must not be paid by those who sync, lead and serve.
 */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { lock } from "../cluster/keys.ts";
import type { Node } from "../cluster/processes.ts";
import { nothingLost, sameTerm, termOf } from "./checks.ts";
import { describeMemory } from "./memory.ts";
import { describePhase, watch } from "./phase.ts";
import { onCluster } from "./stage.ts";
import { writeSteadily } from "./writer.ts";

const COST = 10;
const GUESSES_PER_SECOND = 500;
const WRITES_PER_SECOND = 100;
const WARM_UP_MS = 3_000;
const CALM_MS = 10_000;

export function keys(seconds: number): Promise<boolean> {
  return onCluster(3, async (cluster) => {
    const apiKey = lock(cluster, COST);
    await cluster.start();
    const { nodes } = cluster;
    const term = await termOf(cluster);
    const writer = writeSteadily(cluster.servers, WRITES_PER_SECOND, { apiKey });
    await sleep(WARM_UP_MS);
    const started = await fsyncs(nodes);
    console.log(describePhase("before", await watch(writer, nodes, CALM_MS)));
    const before = await fsyncs(nodes);
    console.log(describeFsyncs("before", started, before));
    console.log(describeMemory("before", nodes));
    const guesses = flood(nodes, seconds);
    console.log(describePhase("meanwhile", await watch(writer, nodes, seconds * 1000)));
    console.log(`wrong keys by their answers: ${await guesses}`);
    console.log(describeFsyncs("meanwhile", before, await fsyncs(nodes)));
    console.log(describeMemory("afterwards", nodes));
    await writer.stop();
    console.log(`failed writes: ${writer.failures.length}`);
    const noElection = await sameTerm(cluster, term);
    const isWhole = await nothingLost(cluster, writer, { apiKey });
    return noElection && isWhole && writer.failures.length === 0;
  });
}

/** In a process of its own: it must not hold up the application, whose times are taken in this one. */
function flood(nodes: readonly Node[], seconds: number): Promise<string> {
  const script = fileURLToPath(new URL("guesses.js", import.meta.url));
  const numbers = [GUESSES_PER_SECOND, seconds, ...nodes.map(({ restPort }) => restPort)];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, ...numbers.map(String)], (error, stdout) => {
      if (error === null) resolve(stdout.trim());
      else reject(error);
    });
  });
}

/** Of all nodes together: how many syncs of the log took at most so many seconds, by that bound. */
type Fsyncs = ReadonlyMap<number, number>;

const BUCKET = /^tq_wal_fsync_duration_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm;

async function fsyncs(nodes: readonly Node[]): Promise<Fsyncs> {
  const counts = new Map<number, number>();
  for (const node of nodes) {
    const { text } = await node.ask(node.metricsPort, "/metrics");
    for (const [, bound, count] of text.matchAll(BUCKET)) {
      const seconds = bound === "+Inf" ? Infinity : Number(bound);
      counts.set(seconds, (counts.get(seconds) ?? 0) + Number(count));
    }
  }
  return counts;
}

function describeFsyncs(when: string, from: Fsyncs, to: Fsyncs): string {
  const between = [...to].map(([bound, count]) => [bound, count - (from.get(bound) ?? 0)] as const);
  const total = Math.max(...between.map(([, count]) => count));
  const [bound = Number.NaN] = between.find(([, count]) => count >= 0.99 * total) ?? [];
  return `fsync ${when}: ${total}, 99 of 100 within ${bound * 1000} ms`;
}
