/** A stretch of a drill with something going on: what the good client and the brokers' memory say of it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Node } from "../cluster/processes.ts";
import { rssAnonMiB } from "./memory.ts";
import { percentile } from "./samples.ts";
import type { Writer } from "./writer.ts";

const LOOK_MS = 250;

export interface Phase {
  /** Milliseconds from when a write was due until it was acknowledged. */
  readonly p50: number;
  readonly p99: number;
  /** The most that each node held, in their order. */
  readonly peakMiB: readonly number[];
}

/** Watches for so long. Writes that were due meanwhile count, whenever they are acknowledged. */
export async function watch(writer: Writer, nodes: readonly Node[], ms: number): Promise<Phase> {
  const from = performance.now();
  const peak = nodes.map(() => 0);
  while (performance.now() < from + ms) {
    for (const [at, node] of nodes.entries()) peak[at] = Math.max(peak[at]!, rssAnonMiB(node));
    await sleep(LOOK_MS);
  }
  const until = performance.now();
  await writer.answered();
  const due = writer.acknowledged.filter((write) => {
    return write.startedAt >= from && write.startedAt < until;
  });
  const samples = due.map(({ startedAt, endedAt }) => endedAt - startedAt);
  return { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99), peakMiB: peak };
}

export function describePhase(when: string, { p50, p99, peakMiB }: Phase): string {
  const memory = peakMiB.map((each) => Math.round(each)).join(", ");
  const writes = `writes p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  return `${when}: ${writes}; at most ${memory} MiB`;
}
