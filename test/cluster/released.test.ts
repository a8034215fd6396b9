/**
 * A cluster of the last release, as npm would install it, becomes one of this version and goes back
 * under load, one broker at a time, behind HAProxy; the release's own tq-admin works with both.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect } from "vitest";
import { needs } from "../needs.ts";
import { audit } from "./audit.ts";
import { HaProxy } from "./haproxy.ts";
import { releasedBin } from "./previous.ts";
import { type Node, TestCluster } from "./processes.ts";
import { rollTo } from "./rolling.ts";
import { Traffic } from "./traffic.ts";

const RELEASE = "0.3.0";
const PER_SECOND = 50;
const BETWEEN = 30;

const run = promisify(execFile);

let cluster: TestCluster;
let proxy: HaProxy | undefined;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
});

afterAll(async () => {
  await proxy?.stop();
  await cluster?.close();
});

async function statusOf(node: Node): Promise<unknown> {
  const bin = releasedBin(RELEASE, "admin");
  const args = [bin, "upgrade", "status", "--broker-addr", node.address, "-o", "json"];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout);
}

needs("haproxy")(
  "a cluster of the last release rolls up and down under load",
  async () => {
    const released = releasedBin(RELEASE, "broker");
    const present = (cluster.nodes[0] as Node).program;
    for (const node of cluster.nodes) node.program = released;
    await cluster.start();
    proxy = await HaProxy.start(cluster);
    const traffic = await Traffic.begin(cluster, PER_SECOND, proxy);
    for (const program of [present, released]) await rollTo(cluster, traffic, program, BETWEEN);
    expect(await statusOf(cluster.nodes[0] as Node)).toMatchObject({ cluster_version: 3 });
    const findings = await audit(cluster, traffic);
    expect(findings.wrong).toEqual([]);
    expect([...traffic.ledger.refusals]).toEqual([]);
    expect(findings.acknowledged).toBeGreaterThan(100);
  },
  600_000,
);
