/**
 * Brokers on disks of their own lose power, one at a time and all at once. The long form is
 * `npm run drill -- power` and `blackout`.
 */
import { describe, expect } from "vitest";
import { needs } from "../needs.ts";
import { audit } from "./audit.ts";
import { giveDisks, losePower } from "./disks.ts";
import { type Node, TestCluster } from "./processes.ts";
import { Traffic } from "./traffic.ts";

const CYCLES = 3;
const PER_SECOND = 100;
const BETWEEN = 60;

describe("a power loss", () => {
  needs("mount")(
    "of one broker, and of all, costs nothing that was acknowledged",
    async () => {
      const cluster = await TestCluster.create(3);
      try {
        const disks = giveDisks(cluster);
        await cluster.start();
        const traffic = await Traffic.begin(cluster, PER_SECOND);
        const one = cluster.nodes.slice(0, CYCLES).map((node) => [node]);
        for (const victims of [...one, cluster.nodes] as Node[][]) {
          await losePower(victims, disks);
          for (const node of victims) node.start();
          await cluster.allReady();
          await traffic.flow(BETWEEN);
        }
        const findings = await audit(cluster, traffic);
        expect(findings.wrong).toEqual([]);
        expect(findings.acknowledged).toBeGreaterThan(400);
      } finally {
        await cluster.close();
      }
    },
    600_000,
  );
});
