/**
 * Rolls a cluster from one program to another under load: one broker after the other, the leader
 * last and after it has handed over. After each step all nodes are at one entry with one hash.
 */
import { admin } from "./admin.ts";
import { type Node, type TestCluster, waitFor } from "./processes.ts";
import type { Traffic } from "./traffic.ts";

/** `between` acknowledged submits flow after each step: that long the cluster is half and half. */
export async function rollTo(
  cluster: TestCluster,
  traffic: Traffic,
  program: string,
  between: number,
): Promise<void> {
  const leader = await cluster.leader();
  const followers = cluster.nodes.filter((node) => node !== leader);
  for (const node of [...followers, leader]) {
    if (node === leader) {
      await admin(cluster, "transfer-leadership", "--to", (followers[0] as Node).id);
    }
    const status = await node.kill("SIGTERM");
    if (status !== 0) throw new Error(`${node.id} ended with ${status}: ${node.log()}`);
    node.program = program;
    node.start();
    await cluster.allReady();
    await traffic.flow(between);
    await traffic.standStill(() => sameHash(cluster, traffic));
  }
}

/** Nothing flows: every node must come to the same entry, and have the same hash there. */
async function sameHash(cluster: TestCluster, { ledger }: Traffic): Promise<void> {
  const stats = await cluster.converged();
  const hashes = stats.map(({ raft }) => `${raft.effect_hash} at ${raft.applied_index}`);
  if (new Set(hashes).size !== 1) ledger.note(`effect hashes differ: ${hashes.join(", ")}`);
  for (const node of cluster.running) {
    const divergence = await waitFor("metrics", () =>
      node
        .metric("tq_state_divergence_total")
        .then((value) => ({ value }))
        .catch(() => undefined),
    );
    if (divergence.value !== 0) ledger.note(`${node.id} has seen states diverge`);
  }
}

/**
 * Starts a node with another program on the data it has; resolves with status and log when that
 * refuses it, or with status `serves` when it does not.
 */
export async function startWith(
  node: Node,
  program: string,
): Promise<{ readonly status: number | string; readonly log: string }> {
  if (node.isRunning) await node.kill("SIGTERM");
  const before = node.program;
  const logged = node.log().length;
  node.program = program;
  node.start();
  const serves = waitFor(
    "an end or service",
    async () => !node.isRunning || (await node.isReady()),
  );
  const status = await Promise.race([node.exited(), serves.then(() => "serves" as const)]);
  if (node.isRunning) await node.kill("SIGKILL");
  const ended = await node.exited();
  node.program = before;
  return {
    status: status === "serves" && ended === "SIGKILL" ? status : ended,
    log: node.log().slice(logged),
  };
}
