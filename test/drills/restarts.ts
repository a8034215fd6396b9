/**
 * Brokers are killed and started again under load: one at random, sometimes two, sometimes all, and
 * sometimes one while another is still catching up.
 */
import { randomInt } from "node:crypto";
import { passes } from "../cluster/audit.ts";
import type { Node, TestCluster } from "../cluster/processes.ts";
import { Traffic } from "../cluster/traffic.ts";
import { FEW_ENTRIES, noneSetAside } from "./checks.ts";
import { describeSamples } from "./samples.ts";
import { onCluster } from "./stage.ts";

/** Acknowledged submits between two cycles: about a second's worth. */
const BETWEEN = 150;

export function restarts(cycles: number): Promise<boolean> {
  return onCluster(3, async (cluster) => {
    // Half of the nodes that come back need a snapshot, and half do with the log.
    for (const node of cluster.nodes) node.env = FEW_ENTRIES;
    await cluster.start();
    const traffic = await Traffic.begin(cluster);
    const times: number[] = [];
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const from = performance.now();
      await killAndRestart(cluster, traffic, cycle);
      await cluster.allReady();
      times.push(performance.now() - from);
      await traffic.flow(BETWEEN);
      if (cycle % 10 === 0) console.log(`${cycle} cycles: ${traffic.ledger.acknowledged.length}`);
    }
    console.log(describeSamples("from the kill until all nodes are ready", times));
    return (await passes(cluster, traffic)) && noneSetAside(cluster);
  });
}

async function killAndRestart(cluster: TestCluster, traffic: Traffic, cycle: number) {
  const nodes = shuffled(cluster.nodes);
  const victims = cycle % 10 === 0 ? nodes : nodes.slice(0, cycle % 4 === 0 ? 2 : 1);
  await Promise.all(victims.map((node) => node.kill("SIGKILL")));
  if (victims.length === 1 && cycle % 2 === 0) await traffic.flow(BETWEEN);
  for (const node of victims) node.start();
  if (cycle % 5 !== 1) return;
  // It has hardly begun to catch up when the next one dies.
  const next = nodes[1] as Node;
  await next.kill("SIGKILL");
  next.start();
}

function shuffled(nodes: readonly Node[]): Node[] {
  const left = [...nodes];
  return nodes.map(() => left.splice(randomInt(left.length), 1)[0] as Node);
}
