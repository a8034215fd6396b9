/**
 * Three real brokers, one of which loses what it had: it comes back as a voter by itself, with
 * everything, and the others take it back only when it is gone.
 */
import { existsSync } from "node:fs";
import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { admin } from "../../../../test/cluster/admin.ts";
import { Node, TestCluster, waitFor } from "../../../../test/cluster/processes.ts";

interface Task {
  readonly id: string;
}

interface MemberRow {
  readonly role: string;
}

const LIMIT_MS = 240_000;

let cluster: TestCluster;
let submitted: string[];

beforeEach(async () => {
  // The machines of tests may have little room left; that is not what is tested here.
  cluster = await TestCluster.create(3);
  for (const node of cluster.nodes) node.env = { TQ_PERSISTENCE__MIN_FREE_DISK: "0" };
  await cluster.start();
  submitted = [];
  await submit(40);
}, LIMIT_MS);

afterEach(() => cluster.close());

async function submit(count: number): Promise<void> {
  const node = await cluster.leader();
  for (let n = 0; n < count; n++) {
    const response = await fetch(`http://127.0.0.1:${node.restPort}/api/v1/tasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "t", payload: { n, filler: "x".repeat(500) } }),
    });
    expect(response.status, await response.clone().text()).toBeLessThan(300);
    submitted.push(((await response.json()) as Task).id);
  }
}

/** A follower, and all that it had is on its disk. */
async function victim(): Promise<Node> {
  const leader = await cluster.leader();
  const node = cluster.nodes.find((each) => each !== leader) as Node;
  await cluster.converged();
  return node;
}

/** All three vote, agree, and have what was acknowledged. */
async function expectWhole(): Promise<void> {
  await cluster.ready();
  await waitFor("three voters", () => cluster.nodes.every((node) => isSettled(node)), LIMIT_MS);
  const rows = JSON.parse(await admin(cluster, "members", "list", "-o", "json")) as MemberRow[];
  expect(rows.map(({ role }) => role)).not.toContain("learner");
  expect(rows).toHaveLength(3);
  await submit(5);
  const stats = await cluster.converged();
  expect(new Set(stats.map(({ raft }) => raft.effect_hash)).size).toBe(1);
  for (const node of cluster.nodes) {
    for (const id of submitted) {
      const { status } = await node.get(`/api/v1/tasks/${id}?consistency=stale`);
      expect(status, `${id} on ${node.id}`).toBe(200);
    }
  }
}

/** Whoever was on the way back has arrived. */
function isSettled(node: Node): boolean {
  return !existsSync(join(node.dataDir, "rejoin"));
}

async function flipIn(directory: string, pattern: RegExp): Promise<void> {
  const name = (await readdir(directory)).filter((each) => pattern.test(each)).sort()[0] as string;
  const bytes = await readFile(join(directory, name));
  bytes[bytes.length >> 1]! ^= 0x10;
  await writeFile(join(directory, name), bytes);
}

const setAside = async (node: Node) =>
  (await readdir(node.dataDir)).filter((name) => name.startsWith("set-aside-"));

describe("a member recovers by itself", () => {
  test("from a flipped bit in its log, and again from a lost state", {
    timeout: LIMIT_MS,
  }, async () => {
    const node = await victim();
    await node.kill("SIGKILL");
    await flipIn(join(node.dataDir, "log"), /\.log$/);
    node.start();
    await expectWhole();
    expect(node.log()).toContain("recovered in");
    expect(await setAside(node)).toHaveLength(1);
    expect(node.log()).toMatch(/must not take part as it was: log damaged: a record at byte/);

    await node.kill("SIGKILL");
    await rm(join(node.dataDir, "state-1"), { recursive: true });
    await rm(join(node.dataDir, "state.pointer"), { force: true });
    node.start();
    await expectWhole();
    expect(await setAside(node)).toHaveLength(2);
  });

  test("from a directory that was rolled back, as a copy and in place", {
    timeout: LIMIT_MS,
  }, async () => {
    const node = await victim();
    await node.kill("SIGTERM");
    const old = `${node.dataDir}-old`;
    await cp(node.dataDir, old, { recursive: true });
    for (const _ of [1, 2]) {
      node.start();
      await waitFor("a start", () => node.isReady());
      await submit(5);
      await cluster.converged();
      await node.kill("SIGTERM");
    }
    // As a volume that is set back to a snapshot: the same inodes, older contents.
    for (const name of ["log", "state-1"]) {
      await rm(join(node.dataDir, name), { recursive: true });
      await cp(join(old, name), join(node.dataDir, name), { recursive: true });
    }
    await writeFile(join(node.dataDir, "identity"), await readFile(join(old, "identity")));
    node.start();
    await waitFor("the others to notice", () => node.log().includes("must not take part"));
    expect(node.log()).toMatch(/rolled back: start \d+ of node\d after start \d+ was seen/);
    await expectWhole();
    await waitFor("the first recovery", () => node.log().includes("recovered in"));

    await node.kill("SIGTERM");
    await rename(node.dataDir, `${node.dataDir}-moved`);
    await cp(`${node.dataDir}-moved`, node.dataDir, { recursive: true });
    node.start();
    await waitFor("the second recovery", () => node.log().split("recovered in").length === 3);
    expect(node.log()).toMatch(/is a copy of a cluster member's/);
    await expectWhole();
  });
});

test("a copy of a running member is not let in beside it", { timeout: LIMIT_MS }, async () => {
  const node = await victim();
  const copy = await cluster.add();
  cluster.nodes.pop();
  await node.kill("SIGTERM");
  await cp(node.dataDir, copy.dataDir, { recursive: true });
  node.start();
  await cluster.ready();
  const dir = join(cluster.dir, "twin");
  const { port, restPort, metricsPort, args, dataDir } = copy;
  const twin = new Node({ id: node.id, port, restPort, metricsPort, dir, args, env: node.env });
  twin.dataDir = dataDir;
  twin.start();
  await waitFor("the reason", () => twin.log().includes("copy of one that is in use"));
  expect(await twin.kill("SIGTERM")).toBe(0);
  expect((await readdir(twin.dataDir)).includes("rejoin")).toBe(true);
  await expectWhole();
});

test("a cluster whose directories were all copied starts when that is accepted", {
  timeout: LIMIT_MS,
}, async () => {
  await cluster.converged();
  // All of them first: whoever is left would take the others back as new incarnations.
  for (const node of cluster.nodes) await node.kill("SIGTERM");
  for (const node of cluster.nodes) {
    await rename(node.dataDir, `${node.dataDir}-moved`);
    await cp(`${node.dataDir}-moved`, node.dataDir, { recursive: true });
    node.start();
  }
  const said = (text: string) => () => cluster.nodes.every((node) => node.log().includes(text));
  await waitFor("all to wait", said("asks 127.0.0.1"));
  for (const node of cluster.nodes) {
    expect(await node.kill("SIGTERM")).toBe(0);
    node.args = [...node.args, "--accept-restored-data"];
    node.start();
  }
  await cluster.ready();
  expect(said("is a copy and was accepted")()).toBe(true);
  await expectWhole();
});
