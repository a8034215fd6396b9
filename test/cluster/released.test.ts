/**
 * A cluster of an earlier release, as npm would install it, becomes one of this version and goes
 * back under load, one broker at a time, behind HAProxy; the release's own tq-admin works with both.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect } from "vitest";
import { needs } from "../needs.ts";
import { audit } from "./audit.ts";
import { HaProxy } from "./haproxy.ts";
import { releasedBin } from "./previous.ts";
import { type Node, TestCluster } from "./processes.ts";
import { rollTo } from "./rolling.ts";
import { Traffic } from "./traffic.ts";

/** Each with the version of the cluster that it founds. */
const RELEASES = [
  ["0.3.0", 3],
  ["0.4.0", 4],
] as const;
const PER_SECOND = 50;
const BETWEEN = 30;

const run = promisify(execFile);

let cluster: TestCluster;
let proxy: HaProxy | undefined;

beforeEach(async () => {
  proxy = undefined;
  cluster = await TestCluster.create(3);
});

afterEach(async () => {
  await proxy?.stop();
  await cluster?.close();
});

async function statusOf(node: Node, release: string): Promise<unknown> {
  const bin = releasedBin(release, "admin");
  const args = [bin, "upgrade", "status", "--broker-addr", node.address, "-o", "json"];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout);
}

needs("haproxy").each(RELEASES)(
  "a cluster of %s rolls up and down under load",
  async (release, version) => {
    const released = releasedBin(release, "broker");
    const present = (cluster.nodes[0] as Node).program;
    for (const node of cluster.nodes) node.program = released;
    await cluster.start();
    proxy = await HaProxy.start(cluster);
    const traffic = await Traffic.begin(cluster, PER_SECOND, proxy);
    for (const program of [present, released]) await rollTo(cluster, traffic, program, BETWEEN);
    expect(await statusOf(cluster.nodes[0] as Node, release)).toMatchObject({
      cluster_version: version,
    });
    const findings = await audit(cluster, traffic);
    expect(findings.wrong).toEqual([]);
    expect([...traffic.ledger.refusals]).toEqual([]);
    expect(findings.acknowledged).toBeGreaterThan(100);
  },
  600_000,
);
