/**
 * What a backlog costs: memory of each broker, time to serve again after a restart, and how much
 * slower a submit and the way end to end have become, against the same cluster while it was empty.
 */
import { type Node, TestCluster, waitFor } from "../cluster/processes.ts";
import { fill } from "./fill.ts";
import { describeMemory, rssAnonMiB } from "./memory.ts";
import { describePace, measurePace } from "./pace.ts";

const MEMORY_MIB_MAX = 700;
const RESTART_MS_MAX = 10_000;
const SLOWER_MAX = 1.3;

export async function backlog(tasks: number): Promise<boolean> {
  const cluster = await TestCluster.create(3);
  try {
    for (const node of cluster.nodes) node.env = { TQ_BROKER__QUEUE_DEPTH_THRESHOLD: "0" };
    await cluster.start();
    console.log(describeMemory("empty", cluster.nodes));
    const before = await measurePace(cluster);
    console.log(describePace("empty", before));
    await fill(cluster, tasks);
    await cluster.converged();
    console.log(describeMemory("filled", cluster.nodes));
    const after = await measurePace(cluster);
    console.log(describePace("filled", after));
    const memory = Math.max(...cluster.nodes.map(rssAnonMiB));
    const slowest = await restartAll(cluster);
    console.log(describeMemory("after the restart", cluster.nodes));
    console.log(describePace("after the restart", await measurePace(cluster)));
    const submit = after.submitP50 / before.submitP50;
    const rate = before.tasksPerSecond / after.tasksPerSecond;
    console.log(`submit p50 ${submit.toFixed(2)} x, end to end ${rate.toFixed(2)} x slower`);
    const isFast = submit <= SLOWER_MAX && rate <= SLOWER_MAX;
    return isFast && slowest <= RESTART_MS_MAX && memory <= MEMORY_MIB_MAX;
  } finally {
    await cluster.close();
  }
}

/** All at once, one by one they would have somebody to lean on; the longest time to serve again. */
async function restartAll(cluster: TestCluster): Promise<number> {
  await Promise.all(cluster.nodes.map((node) => node.kill("SIGKILL")));
  const from = performance.now();
  for (const node of cluster.nodes) node.start();
  const serves = async (node: Node): Promise<number> => {
    await waitFor(`${node.id} to serve`, () => node.isReady());
    return performance.now() - from;
  };
  const times = await Promise.all(cluster.nodes.map(serves));
  console.log(`killed and started, to ready: ${times.map((ms) => Math.round(ms)).join(", ")} ms`);
  return Math.max(...times);
}
