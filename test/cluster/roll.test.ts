/**
 * A cluster of the previous version becomes one of this version and goes back, one broker at a time
 * and under load, with equal states halfway; and once the cluster's version is raised, the previous
 * one is refused its data. The long form is `npm run drill -- roll`.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { admin } from "./admin.ts";
import { audit } from "./audit.ts";
import { previousBroker } from "./previous.ts";
import { type Node, TestCluster } from "./processes.ts";
import { rollTo, startWith } from "./rolling.ts";
import { Traffic } from "./traffic.ts";

const PER_SECOND = 50;
const BETWEEN = 30;
const TOO_NEW = 73;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
});

afterAll(async () => {
  await cluster?.close();
});

describe("a cluster of the previous version", () => {
  test("rolls up, down and up again, and is too new for it once finalized", async () => {
    const previous = previousBroker();
    const present = (cluster.nodes[0] as Node).program;
    for (const node of cluster.nodes) node.program = previous;
    await cluster.start();
    const traffic = await Traffic.begin(cluster, PER_SECOND);
    for (const program of [present, previous, present]) {
      await rollTo(cluster, traffic, program, BETWEEN);
    }
    await admin(cluster, "upgrade", "finalize", "--yes");
    await traffic.flow(BETWEEN);
    const leader = await cluster.leader();
    const node = cluster.nodes.find((each) => each !== leader) as Node;
    const { status, log } = await startWith(node, previous);
    expect({ status, log }).toMatchObject({ status: TOO_NEW });
    expect(log).toMatch(/newer/);
    node.start();
    await cluster.allReady();
    const findings = await audit(cluster, traffic);
    expect(findings.wrong).toEqual([]);
    expect(findings.acknowledged).toBeGreaterThan(200);
  }, 600_000);
});
