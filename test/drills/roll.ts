/**
 * The previous version and this one, rolled up, down and up again under load, halfway for a while
 * each time; then, once the cluster's version is raised, the previous one is refused its data.
 */
import { tryAdmin } from "../cluster/admin.ts";
import { passes } from "../cluster/audit.ts";
import { lastMessage } from "../cluster/damage.ts";
import { previousBroker } from "../cluster/previous.ts";
import type { Node, TestCluster } from "../cluster/processes.ts";
import { rollTo, startWith } from "../cluster/rolling.ts";
import { Traffic } from "../cluster/traffic.ts";
import { FEW_ENTRIES } from "./checks.ts";
import { onCluster } from "./stage.ts";

const PER_SECOND = 100;
/** Acknowledged submits after each broker that was changed. */
const BETWEEN = 500;
const TOO_NEW = 73;
const USAGE = 64;

export function roll(rounds: number): Promise<boolean> {
  return onCluster(3, async (cluster) => {
    const previous = previousBroker();
    const present = (cluster.nodes[0] as Node).program;
    for (const node of cluster.nodes) {
      node.env = FEW_ENTRIES;
      node.program = previous;
    }
    await cluster.start();
    const traffic = await Traffic.begin(cluster, PER_SECOND);
    for (let round = 0; round < rounds; round++) {
      await rollTo(cluster, traffic, present, BETWEEN);
      console.log("up: all brokers are of this version");
      await rollTo(cluster, traffic, previous, BETWEEN);
      console.log("down: all brokers are of the previous version");
    }
    await rollTo(cluster, traffic, present, BETWEEN);
    console.log("up: all brokers are of this version");
    const finalized = await finalize(cluster, previous);
    await traffic.flow(BETWEEN);
    return (await passes(cluster, traffic)) && finalized;
  });
}

/** Raises the cluster's version; true when the previous program is refused its data then. */
async function finalize(cluster: TestCluster, previous: string): Promise<boolean> {
  const { status, output } = await tryAdmin(cluster, "upgrade", "finalize", "--yes");
  console.log(`tq-admin upgrade finalize: status ${status} ${output.trim()}`);
  if (status === USAGE) return true;
  if (status !== 0) return false;
  const leader = await cluster.leader();
  const node = cluster.nodes.find((each) => each !== leader) as Node;
  const refused = await startWith(node, previous);
  console.log(`the previous version on its data: ${refused.status}, ${lastMessage(refused.log)}`);
  node.start();
  await cluster.allReady();
  return refused.status === TOO_NEW;
}
