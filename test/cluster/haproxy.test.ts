/**
 * Through HAProxy, as docs/load-balancer.md sets it up, an application has one address: brokers are
 * killed, stopped and started behind it, and it loses nothing and is wrong about nothing.
 */
import { afterAll, beforeAll, expect } from "vitest";
import { needs } from "../needs.ts";
import { admin } from "./admin.ts";
import { audit } from "./audit.ts";
import { HaProxy } from "./haproxy.ts";
import { type Node, TestCluster } from "./processes.ts";
import { Traffic } from "./traffic.ts";

const PER_SECOND = 50;
const BETWEEN = 50;

let cluster: TestCluster;
let proxy: HaProxy | undefined;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
});

afterAll(async () => {
  await proxy?.stop();
  await cluster?.close();
});

needs("haproxy")(
  "an application behind it sees brokers come and go",
  async () => {
    await cluster.start();
    proxy = await HaProxy.start(cluster);
    const traffic = await Traffic.begin(cluster, PER_SECOND, proxy);
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      for (const pick of [leaderOf, followerOf]) {
        const node = await pick();
        await node.kill(signal);
        await traffic.flow(BETWEEN);
        node.start();
        await cluster.allReady();
        await traffic.flow(BETWEEN);
      }
    }
    await admin(cluster, "transfer-leadership");
    await traffic.flow(BETWEEN);
    const findings = await audit(cluster, traffic);
    expect(findings.wrong).toEqual([]);
    expect(traffic.ledger.count("unknown")).toBe(0);
  },
  600_000,
);

async function leaderOf(): Promise<Node> {
  return await cluster.leader();
}

async function followerOf(): Promise<Node> {
  const leader = await cluster.leader();
  return cluster.nodes.find((node) => node !== leader) as Node;
}
