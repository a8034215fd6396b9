/**
 * Power losses on real file systems: of one node, and of all three at once. What was not synced is
 * gone from the disk; what was acknowledged must not be.
 */
import { randomInt } from "node:crypto";
import { passes } from "../cluster/audit.ts";
import { giveDisks, losePower } from "../cluster/disks.ts";
import type { Node } from "../cluster/processes.ts";
import { Traffic } from "../cluster/traffic.ts";
import { FEW_ENTRIES, noneSetAside } from "./checks.ts";
import { describeSamples } from "./samples.ts";
import { onCluster } from "./stage.ts";

/** Acknowledged submits between two losses: about a second's worth. */
const BETWEEN = 150;

/** One node at a time, chosen at random. */
export function power(cycles: number): Promise<boolean> {
  return powerLosses(cycles, (nodes) => [nodes[randomInt(nodes.length)] as Node]);
}

/** All nodes at once. */
export function blackout(cycles: number): Promise<boolean> {
  return powerLosses(cycles, (nodes) => nodes);
}

function powerLosses(
  cycles: number,
  choose: (nodes: readonly Node[]) => readonly Node[],
): Promise<boolean> {
  return onCluster(3, async (cluster) => {
    for (const node of cluster.nodes) node.env = FEW_ENTRIES;
    const disks = giveDisks(cluster);
    await cluster.start();
    const traffic = await Traffic.begin(cluster);
    const times: number[] = [];
    const spreads: number[] = [];
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const victims = choose(cluster.nodes);
      spreads.push(await losePower(victims, disks));
      const from = performance.now();
      for (const node of victims) node.start();
      await cluster.allReady();
      times.push(performance.now() - from);
      await traffic.flow(BETWEEN);
      if (cycle % 10 === 0) console.log(`${cycle} cycles: ${traffic.ledger.acknowledged.length}`);
    }
    console.log(describeSamples("cutting the power, all threads being stopped, took", spreads));
    console.log(describeSamples("from the start until all nodes are ready", times));
    return (await passes(cluster, traffic)) && noneSetAside(cluster);
  });
}
