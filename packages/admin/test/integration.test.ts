/** The verbs over a real socket against the broker's real worker port and queue machine. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { NO_EXTRAS } from "../../broker/src/queue/index.ts";
import { FakeCluster } from "../../broker/test/workers/fake-cluster.ts";
import { openOne, openPort, RETRY, someTask, until } from "../../broker/test/workers/harness.ts";
import { PROCESS_IO, run } from "../src/index.ts";

const PROGRAM = fileURLToPath(new URL("../bin/tq-admin.js", import.meta.url));

async function verbs() {
  const opened = await openOne();
  const servers = `127.0.0.1:${opened.port}`;
  return { ...opened, servers, call: caller(servers) };
}

function caller(servers: string) {
  return async (...argv: string[]) => {
    let stdout = "";
    let stderr = "";
    const status = await run([...argv, "--broker-addr", servers], {
      ...PROCESS_IO,
      env: {},
      isTerminal: false,
      canAsk: false,
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
    });
    return { status, stderr, stdout, json: stdout === "" ? undefined : JSON.parse(stdout) };
  };
}

test("a task is submitted, found, cancelled and started again", async () => {
  const { call } = await verbs();
  const submitted = await call("submit", "email.send", "--payload", '{"to":"x"}', "--tag", "a");
  expect(submitted).toMatchObject({ status: 0, json: { state: "pending", duplicate: false } });
  const { id } = submitted.json;
  expect((await call("get", id)).json).toMatchObject({ payload: { to: "x" }, tags: ["a"] });
  expect((await call("list", "--tag", "a")).json).toMatchObject([{ id, payload: { to: "x" } }]);
  expect((await call("list", "--queue", "other")).json).toEqual([]);
  expect((await call("cancel", id)).json.state).toBe("cancelled");
  expect((await call("retry", id)).json.state).toBe("pending");
  expect(await call("dlq", "retry", id)).toMatchObject({ status: 1, stdout: "" });
  const again = await call("submit", "other.type", "--id", id);
  expect(again).toMatchObject({ status: 65 });
  expect(again.stderr).toContain("idempotency_mismatch");
});

test("pages through more tasks than one answer holds", async () => {
  const { call, cluster } = await verbs();
  for (let i = 0; i < 1_500; i++) {
    const { id, content } = someTask("t", i);
    const full = { ...content, ...NO_EXTRAS };
    cluster.apply({ type: "submit", id, content: full, retry: RETRY, depthLimit: 0 });
  }
  const all = await call("list", "--limit", "100000");
  expect(new Set(all.json.map((task: { id: string }) => task.id)).size).toBe(1_500);
  expect((await call("list", "--limit", "1200")).json).toHaveLength(1_200);
});

test("the cluster's figures", async () => {
  const { call } = await verbs();
  await call("submit", "t");
  expect((await call("queue-depth")).json).toMatchObject([{ name: "default", depth: 1 }]);
  expect((await call("stats")).json).toMatchObject({ tasks: { pending: 1 } });
  expect((await call("workers")).json).toEqual([]);
  expect(await call("cluster-status")).toMatchObject({ status: 0, json: { leader_id: "n1" } });
  expect(await call("wait", "ready")).toMatchObject({ status: 0, json: { ready: true } });
  const caughtUp = { status: 0, json: { caught_up: true, node_id: "n1" } };
  expect(await call("wait", "caught-up")).toMatchObject(caughtUp);
});

test("members and leadership, asked of a follower, are done at the leader", async () => {
  const cluster = new FakeCluster(3);
  for (const node of cluster.nodes) await openPort(node);
  const servers = cluster.nodes[1]!.address;
  const call = caller(servers);
  const listed = await call("members", "list");
  expect(listed.json).toMatchObject([{ id: "n1", role: "leader" }, { id: "n2" }, { id: "n3" }]);
  const peer = "n4@127.0.0.1:7000";
  expect(await call("members", "add", peer, "--promote")).toMatchObject({
    status: 0,
    json: { id: "n4", role: "voter", voters: 4, message: expect.stringContaining("n4 votes") },
  });
  const handed = await call("transfer-leadership", "--to", "n3");
  expect(handed.json).toMatchObject({ leader_id: "n3", previous_leader_id: "n1" });
  expect(cluster.leader?.nodeId).toBe("n3");
  expect(await call("members", "remove", "n1", "--yes")).toMatchObject({
    status: 0,
    json: { id: "n1", removed: true, voters: 3 },
  });
  expect((await call("members", "remove", "n9", "--yes")).status).toBe(66);
  cluster.elect(undefined);
  const stuck = await call("transfer-leadership", "--timeout", "2s");
  expect(stuck).toMatchObject({ status: 69, stdout: "" });
  expect(stuck.stderr).toContain("n2 knows no leader");
});

test("without a leader: status 1, for a wait that runs out too", async () => {
  const { call, cluster } = await verbs();
  cluster.elect(undefined);
  expect((await call("cluster-status")).status).toBe(1);
  expect((await call("wait", "leader", "--timeout", "300ms")).status).toBe(1);
  expect((await call("submit", "t", "--timeout", "300ms")).status).toBe(69);
});

test("an unknown task is 66", async () => {
  const { call } = await verbs();
  const { status, stderr } = await call("get", "0198f2c4-0000-7000-8000-000000000001");
  expect(status).toBe(66);
  expect(stderr).toContain("not_found");
});

function program(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...argv], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test("the program as it was built", async () => {
  const { servers } = await verbs();
  const listed = await program("list", "--broker-addr", servers);
  expect(listed).toEqual({ code: 0, stdout: "[]\n", stderr: "" });
  expect(await program("lits")).toMatchObject({ code: 64, stdout: "" });
  const down = await program("stats", "--broker-addr", "127.0.0.1:1");
  expect(down).toMatchObject({ code: 69, stdout: "" });
  expect(down.stderr).toContain("no broker can be reached");
});

test("an upgrade is looked at, and made final", async () => {
  const { call } = await verbs();
  const before = await call("upgrade", "status");
  expect(before.json).toMatchObject({ cluster_version: 1, finalize_to: 2 });
  expect(before.json.members).toMatchObject([{ id: "n1", running: "9.9.9" }]);
  const refused = await call("upgrade", "finalize", "--to", "3", "--yes");
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain("state_conflict: version 3 is not known here");
  const made = await call("upgrade", "finalize", "--yes");
  expect(made).toMatchObject({ status: 0, json: { cluster_version: 2 } });
  expect((await call("upgrade", "status")).json).toMatchObject({ finalize_to: null });
});

test("events are followed from broker to broker, until Ctrl-C", async () => {
  const cluster = new FakeCluster(2);
  cluster.raise(3);
  const ports = await Promise.all(cluster.nodes.map((node) => openPort(node)));
  const submit = (n: number): string => {
    const { id, content } = someTask("t", n);
    const full = { ...content, ...NO_EXTRAS };
    cluster.apply({ type: "submit", id, content: full, retry: RETRY, depthLimit: 0 });
    return Buffer.from(id).toString("hex");
  };
  const servers = ports.map(({ port }) => `127.0.0.1:${port}`).join(",");
  const from = String(cluster.machine.applied);
  const argv = [PROGRAM, "events", "--from", from, "--broker-addr", servers];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    return JSON.parse((await lines.next()).value ?? "null").id.replaceAll("-", "");
  };
  const first = submit(1);
  expect(await next()).toBe(first);
  await until(() => cluster.listening === 1);
  const served = ports.find(({ server }) => server.connections > 0)!;
  await served.server.close();
  const second = submit(2);
  expect(await next()).toBe(second);
  const over = once(child, "exit");
  child.kill("SIGINT");
  // A shell shows it as status 130.
  expect(await over).toEqual([null, "SIGINT"]);
  expect(await lines.next()).toMatchObject({ done: true });
});
