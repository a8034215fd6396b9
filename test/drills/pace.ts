/** How fast a cluster is for an application: one submit at a time, and many tasks end to end. */
import { connect } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import type { TestCluster } from "../cluster/processes.ts";
import { percentile } from "./samples.ts";

const QUEUE = "pace";
const WARM_UP = 500;
const SUBMITS = 3_000;
const TASKS = 40_000;
const OUTSTANDING = 128;
const PAYLOAD = { text: "x".repeat(185) };

export interface Pace {
  /** Milliseconds from a submit until it is durable; the next one begins after it. */
  readonly submitP50: number;
  readonly submitP99: number;
  /** Tasks submitted and handled in a second, 128 submits and 128 handlers at once. */
  readonly tasksPerSecond: number;
}

export async function measurePace(cluster: TestCluster): Promise<Pace> {
  const client = connect({ servers: cluster.servers, timeoutMs: 60_000 });
  try {
    await submitOneByOne(client, WARM_UP, "idle");
    const samples = await submitOneByOne(client, SUBMITS, "idle");
    const p50 = percentile(samples, 0.5);
    const p99 = percentile(samples, 0.99);
    await endToEnd(cluster, client, TASKS / 10);
    const tasksPerSecond = await endToEnd(cluster, client, TASKS);
    return { submitP50: p50, submitP99: p99, tasksPerSecond };
  } finally {
    await client.close();
  }
}

export function describePace(when: string, pace: Pace): string {
  const { submitP50, submitP99, tasksPerSecond } = pace;
  const submit = `submit p50 ${submitP50.toFixed(2)} ms, p99 ${submitP99.toFixed(2)} ms`;
  return `${when}: ${submit}, end to end ${Math.round(tasksPerSecond)} tasks/s`;
}

type Client = ReturnType<typeof connect>;

async function submitOneByOne(client: Client, count: number, type: string): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    await client.submit(type, PAYLOAD, { queue: QUEUE });
    samples.push(performance.now() - from);
  }
  return samples;
}

async function endToEnd(cluster: TestCluster, client: Client, tasks: number): Promise<number> {
  let handled = 0;
  let tellAll = (): void => undefined;
  const all = new Promise<void>((resolve) => {
    tellAll = resolve;
  });
  const worker = createWorker({
    servers: cluster.servers,
    handlers: {
      quick: () => {
        if (++handled === tasks) tellAll();
        return null;
      },
    },
    concurrency: OUTSTANDING,
    prefetch: OUTSTANDING,
  });
  await worker.start();
  const from = performance.now();
  let left = tasks;
  const submitAll = async (): Promise<void> => {
    while (left-- > 0) await client.submit("quick", PAYLOAD, { queue: QUEUE });
  };
  await Promise.all(Array.from({ length: OUTSTANDING }, submitAll));
  await all;
  const seconds = (performance.now() - from) / 1000;
  await worker.stop();
  return tasks / seconds;
}
