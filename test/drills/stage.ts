/**
 * Where a drill takes place: a cluster that is cleaned away whatever happens. When the drill fails,
 * what its nodes say and have on disk is kept first, for a failure that cannot be looked at is
 * worth little.
 */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Node, ROOT, TestCluster } from "../cluster/processes.ts";

const LOG_LINES = 15;

/** Runs `act` on a new cluster, not started; true when it says so and nothing threw. */
export async function onCluster(
  size: number,
  act: (cluster: TestCluster) => Promise<boolean>,
): Promise<boolean> {
  const cluster = await TestCluster.create(size);
  try {
    const passed = await act(cluster).catch((error: unknown) => {
      console.log("FAILED:", error);
      return false;
    });
    if (!passed) await keepEvidence(cluster);
    return passed;
  } finally {
    await cluster.close();
  }
}

async function keepEvidence(cluster: TestCluster): Promise<void> {
  for (const node of cluster.nodes) {
    const state = await describeNode(node).catch((error: unknown) => `does not answer: ${error}`);
    console.log(`${node.id}: ${state}`);
    console.log(node.log().trimEnd().split("\n").slice(-LOG_LINES).join("\n"));
  }
  await Promise.all(cluster.running.map((node) => node.kill("SIGKILL")));
  const time = new Date().toISOString().replace(/[:.]/g, "-");
  const kept = join(ROOT, "test/out", `evidence-${time}`);
  mkdirSync(kept, { recursive: true });
  for (const node of cluster.nodes) {
    cpSync(node.logFile, join(kept, `${node.id}.log`));
    cpSync(node.dataDir, join(kept, node.id), { recursive: true });
  }
  console.log(`logs and data directories are kept in ${kept}`);
}

async function describeNode(node: Node): Promise<string> {
  if (!node.isRunning) return `ended with ${await node.exited()}`;
  const cluster = (await node.get("/cluster?consistency=stale")).body;
  const health = await node.get("/health");
  return `${JSON.stringify(cluster)} ${JSON.stringify(health.body)}`;
}
