/** What every drill ends with: nothing lost, nobody elected who should not have been. */
import { connect } from "task-queue-client";
import { asideIn } from "../cluster/damage.ts";
import { type Front, httpGet, type Node, type TestCluster } from "../cluster/processes.ts";
import { dialOf } from "../cluster/submitter.ts";
import type { Writer } from "./writer.ts";

/** With so short a log a member that is far behind needs a snapshot. */
export const FEW_ENTRIES = { TQ_RAFT__SNAPSHOT_ENTRIES: "100" };

/** Says how many acknowledged tasks are not there any more; true when there are none. */
export async function nothingLost(
  cluster: TestCluster,
  writer: Writer,
  access: Front["access"] = {},
): Promise<boolean> {
  const servers = cluster.running.map((node) => node.address);
  const client = connect({ servers, ...dialOf({ access }) });
  const found = new Set<string>();
  for await (const task of client.list({ queue: "drill" })) found.add(task.id);
  await client.close();
  const lost = [...writer.ids].filter((id) => !found.has(id));
  console.log(`acknowledged ${writer.ids.size}, lost ${lost.length}`);
  return lost.length === 0;
}

/** The newest term of all nodes. */
export async function termOf(cluster: TestCluster): Promise<number> {
  const stats = await Promise.all(cluster.running.map((node) => node.stats()));
  return Math.max(...stats.map(({ raft }) => raft.term));
}

/** True when no new term has begun since. */
export async function sameTerm(cluster: TestCluster, before: number): Promise<boolean> {
  const now = await termOf(cluster);
  console.log(`elections: ${now - before} (term ${before} to ${now})`);
  return now === before;
}

/** A crash is no damage: a broker that took it for one has thrown away what it still had. */
export function noneSetAside(cluster: TestCluster): boolean {
  const aside = cluster.nodes.flatMap((node) =>
    asideIn(node.dataDir).map((name) => `${node.id}/${name}`),
  );
  console.log(`directories taken for damaged after a crash: ${aside.length}`, ...aside);
  return aside.length === 0;
}

export async function snapshotsReceived(node: Node): Promise<string> {
  const { text } = await httpGet(`http://127.0.0.1:${node.metricsPort}/metrics`);
  return /^tq_snapshot_received_total (\d+)$/m.exec(text)?.[1] ?? "unknown";
}
