/**
 * What a long history costs: one broker works off many tasks, and then has its memory and the
 * pages of its filtered lists measured, against itself while it was empty.
 */
import { connect } from "task-queue-client";
import { createWorker, NonRetryable } from "task-queue-worker";
import { type Node, TestCluster } from "../cluster/processes.ts";
import { describeMemory, rssAnonMiB } from "./memory.ts";
import { describeSamples, percentile } from "./samples.ts";

const QUEUES = 10;
const TYPES = 20;
const BATCH = 500;
/** Batches under way at once. */
const ABREAST = 8;
/** One task of so many dies, and one has a tag. */
const RARE = 100;
const REPORT_EVERY = 500_000;
const PAGES = 2_000;
const PAGE_LIMIT = 100;
const MORE_MIB_MAX = 150;
const PAGE_MS_MAX = 20;

export async function history(tasks: number): Promise<boolean> {
  const cluster = await TestCluster.create(1);
  const node = cluster.nodes[0] as Node;
  try {
    node.env = { TQ_BROKER__QUEUE_DEPTH_THRESHOLD: "0" };
    await cluster.start();
    await work(cluster, 20_000);
    await restart(cluster, node);
    await readPages(node, PAGES / 10);
    const before = rssAnonMiB(node);
    console.log(describeMemory("with 20,000 finished tasks", cluster.nodes));
    await work(cluster, tasks);
    console.log(describeMemory("right after", cluster.nodes));
    const took = await restart(cluster, node);
    console.log(`killed and started, to ready: ${Math.round(took)} ms`);
    const samples = await readPages(node, PAGES);
    const more = rssAnonMiB(node) - before;
    console.log(describeMemory("after the restart and the pages", cluster.nodes));
    console.log(`${Math.round(more)} MiB more than before`);
    const p99 = percentile(samples, 0.99);
    return more <= MORE_MIB_MAX && p99 <= PAGE_MS_MAX;
  } finally {
    await cluster.close();
  }
}

async function restart(cluster: TestCluster, node: Node): Promise<number> {
  await node.kill("SIGKILL");
  const from = performance.now();
  node.start();
  await cluster.ready();
  return performance.now() - from;
}

/** Submits and handles so many tasks, in the usual way. */
async function work(cluster: TestCluster, tasks: number): Promise<void> {
  const client = connect({ servers: cluster.servers, timeoutMs: 120_000 });
  let ended = 0;
  let tellAll = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    tellAll = resolve;
  });
  const from = performance.now();
  const handle = (payload: unknown): null => {
    if (++ended % REPORT_EVERY === 0) {
      const seconds = Math.round((performance.now() - from) / 1000);
      console.log(`${ended} after ${seconds} s, ${describeMemory("now", cluster.nodes)}`);
    }
    if (ended === tasks) tellAll();
    if ((payload as { n: number }).n % RARE === 0) throw new NonRetryable("one of the rare ones");
    return null;
  };
  const handlers = Object.fromEntries(typeNames().map((type) => [type, handle]));
  const worker = createWorker({
    servers: cluster.servers,
    handlers,
    concurrency: 500,
    prefetch: 500,
  });
  await worker.start();
  let next = 0;
  const submitBatches = async (): Promise<void> => {
    while (next < tasks) {
      const first = next;
      next = Math.min(tasks, next + BATCH);
      const items = Array.from({ length: next - first }, (_, i) => newTask(first + i));
      for (const outcome of await client.submitMany(items)) {
        if (outcome instanceof Error) throw outcome;
      }
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, submitBatches));
  await all;
  await worker.stop();
  await client.close();
  const seconds = (performance.now() - from) / 1000;
  console.log(`worked off ${tasks} tasks in ${seconds.toFixed(1)} s`);
}

function newTask(n: number) {
  const tags = n % RARE === 1 ? { tags: ["rare"] } : {};
  const options = { queue: `queue${n % QUEUES}`, ...tags };
  return { type: `type${n % TYPES}`, payload: { n, text: "x".repeat(185) }, options };
}

function typeNames(): string[] {
  return Array.from({ length: TYPES }, (_, i) => `type${i}`);
}

/** Pages as a dashboard asks for them, each the next of its list, over all that can be chosen. */
async function readPages(node: Node, count: number): Promise<number[]> {
  const all: number[] = [];
  const kinds: readonly (readonly [string, (n: number) => string])[] = [
    ["completed, queue", (n) => `status=completed&queue=queue${n % QUEUES}`],
    ["completed, type", (n) => `status=completed&type=type${n % TYPES}`],
    [
      "completed, queue and type",
      (n) => `status=completed&queue=queue${n % QUEUES}&type=type${n % QUEUES}`,
    ],
    ["dead, queue", (n) => `status=dead&queue=queue${n % QUEUES}`],
    ["tag", () => "tag=rare"],
    ["nothing fits", (n) => `status=completed&queue=queue${n % QUEUES}&type=type${(n + 1) % 10}`],
  ];
  for (const [what, filter] of kinds) {
    const samples: number[] = [];
    let cursor = "";
    for (let n = 0; n < count / kinds.length; n++) {
      const from = performance.now();
      const path = `/tasks?${filter(n >> 4)}&limit=${PAGE_LIMIT}&consistency=stale${cursor}`;
      const { status, body } = await node.get<{ next_cursor?: string }>(path);
      samples.push(performance.now() - from);
      if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
      const next = n % 16 === 15 ? undefined : body.next_cursor;
      cursor = next === undefined ? "" : `&cursor=${encodeURIComponent(next)}`;
    }
    console.log(describeSamples(`pages: ${what}`, samples));
    all.push(...samples);
  }
  console.log(describeSamples("pages: all", all));
  return all;
}
