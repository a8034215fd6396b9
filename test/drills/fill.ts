/** Puts many pending tasks into a cluster, as fast as it takes them. */
import { connect } from "task-queue-client";
import type { TestCluster } from "../cluster/processes.ts";

const BATCH = 5_000;
const REPORT_EVERY = 100_000;

export async function fill(cluster: TestCluster, tasks: number): Promise<void> {
  const client = connect({ servers: cluster.servers, timeoutMs: 60_000 });
  const startedAt = performance.now();
  for (let done = 0; done < tasks; done += BATCH) {
    const count = Math.min(BATCH, tasks - done);
    const items = Array.from({ length: count }, (_, i) => {
      // Spread over queues, each of which has a limit of its own.
      const options = { queue: `fill${(done / BATCH) % 10}` };
      return { type: "fill", payload: { n: done + i, text: "x".repeat(180) }, options };
    });
    for (const outcome of await client.submitMany(items)) {
      if (outcome instanceof Error) throw outcome;
    }
    if ((done + count) % REPORT_EVERY === 0) console.log(`filled ${done + count}`);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(`filled ${tasks} tasks of 200 bytes in ${seconds.toFixed(1)} s`);
  await client.close();
}
