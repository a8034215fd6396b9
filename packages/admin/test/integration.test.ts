/** The verbs over a real socket against the broker's real worker port and queue machine. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openOne, RETRY, someTask } from "../../broker/test/workers/harness.ts";
import { PROCESS_IO, run } from "../src/index.ts";

const PROGRAM = fileURLToPath(new URL("../bin/tq-admin.js", import.meta.url));

async function verbs() {
  const opened = await openOne();
  const servers = `127.0.0.1:${opened.port}`;
  const call = async (...argv: string[]) => {
    let stdout = "";
    let stderr = "";
    const status = await run([...argv, "--broker-addr", servers], {
      ...PROCESS_IO,
      env: {},
      isTerminal: false,
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => {
        stderr += text;
      },
    });
    return { status, stderr, stdout, json: stdout === "" ? undefined : JSON.parse(stdout) };
  };
  return { ...opened, servers, call };
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
    cluster.apply({ type: "submit", id, content, retry: RETRY, depthLimit: 0 });
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
});

test("without a leader: status 1, and a wait that runs out is 75", async () => {
  const { call, cluster } = await verbs();
  cluster.elect(undefined);
  expect((await call("cluster-status")).status).toBe(1);
  expect((await call("wait", "leader", "--for", "300ms")).status).toBe(75);
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
