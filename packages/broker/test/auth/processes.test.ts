/**
 * The programs as they were built, with keys: the whole way of one task under the least keys that
 * it takes, a flood of wrong ones, and no key or hash in any log, answer or list of processes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import bcrypt from "bcrypt";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../../../test/ports.ts";

const COST = 4;
/** Texts that must be found nowhere. */
const KEYS = { app: "canary-of-app", worker: "canary-of-worker", ops: "canary-of-ops" };

interface Program {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function start(name: "broker" | "worker" | "admin", args: string[], env: object = {}): Program {
  const path = fileURLToPath(new URL(`../../../${name}/bin/tq-${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TQ_LOG: "trace", ...env },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, output: () => text, exit };
}

async function open() {
  const folder = mkdtempSync(join(tmpdir(), "tq-keys-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [port, rest, metrics] = [await freePort(), await freePort(), await freePort()];
  const hashes = Object.values(KEYS).map((key) => bcrypt.hashSync(key, COST));
  const permissions = [["submit_tasks", "read_tasks"], ["process_tasks"], ["admin"]];
  const keys = Object.keys(KEYS).map((name, at) => {
    return { name, key_hash: hashes[at], permissions: permissions[at] };
  });
  const file = join(folder, "config.yaml");
  writeFileSync(file, JSON.stringify({ auth: { enabled: true, api_keys: keys } }));
  const broker = start(
    "broker",
    [
      ...["--config", file, "--data-dir", join(folder, "data")],
      ...["--broker-addr", `127.0.0.1:${port}`, "--rest-port", `${rest}`],
      ...["--log-level", "trace"],
    ],
    { TQ_MONITORING__PROMETHEUS_PORT: `${metrics}` },
  );
  const api = `http://127.0.0.1:${rest}`;
  await until(async () => (await fetch(`${api}/readyz`)).ok);
  return { folder, servers: `127.0.0.1:${port}`, api, broker, hashes };
}

test("a task from an application to a worker and to an operator", async () => {
  const { folder, servers, api, broker, hashes } = await open();
  const keyFile = join(folder, "worker.key");
  writeFileSync(keyFile, `${KEYS.worker}\n`);
  const at = ["--broker-addr", servers];
  const worker = start("worker", [...at, "--health-port", "0", "--api-key-file", keyFile]);
  const app = { TQ_API_KEY: KEYS.app };
  const submit = start("admin", ["submit", "echo", "--payload", "1", "--wait", ...at], app);
  const isLinux = process.platform === "linux";
  const lists = isLinux ? readFileSync(`/proc/${worker.child.pid}/cmdline`, "utf8") : "";
  expect(await submit.exit, submit.output()).toBe(0);
  const denied = start("admin", ["pause", "default", ...at], app);
  expect(await denied.exit).toBe(77);
  const opsFile = join(folder, "ops.key");
  writeFileSync(opsFile, KEYS.ops);
  const pause = start("admin", ["pause", "default", ...at], { TQ_API_KEY_FILE: opsFile });
  expect(await pause.exit, pause.output()).toBe(0);
  const wrong = start("admin", ["stats", ...at], { TQ_API_KEY: "canary-of-nobody" });
  expect(await wrong.exit).toBe(77);
  const headers = { authorization: `Bearer ${KEYS.worker}` };
  const answers = [
    await (await fetch(`${api}/queues`, { headers })).text(),
    await (await fetch(`${api}/queues`, { headers: { "x-api-key": "canary-of-all" } })).text(),
    await (await fetch(`${api}/metrics`, { headers: { "x-api-key": KEYS.app } })).text(),
  ];
  worker.child.kill("SIGTERM");
  expect(await worker.exit).toBe(0);
  broker.child.kill("SIGTERM");
  expect(await broker.exit).toBe(0);
  const programs = [broker, worker, submit, denied, pause, wrong];
  const seen = [lists, ...answers, ...programs.map(({ output }) => output())].join("\n");
  expect(seen).toContain("the doors are open");
  expect(seen).not.toContain("canary-of-");
  for (const hash of hashes) expect(seen).not.toContain(hash.slice(7));
});

test("five hundred wrong keys while good ones go on", async () => {
  const { api } = await open();
  const ask = async (key: string) => {
    const answer = await fetch(`${api}/queues`, { headers: { "x-api-key": key } });
    await answer.arrayBuffer();
    return answer.status;
  };
  expect(await ask(KEYS.app)).toBe(200);
  // Asked again while the broker has too much to do for it, as it says then.
  const elections = async () => {
    let count: string | undefined;
    await until(async () => {
      const answer = await fetch(`${api}/metrics`, { headers: { "x-api-key": KEYS.ops } });
      count = /^tq_raft_elections_total (\d+)$/m.exec(await answer.text())?.[1];
      return count !== undefined;
    });
    return count;
  };
  const before = await elections();
  const wrong: Promise<number>[] = [];
  const good: Promise<number>[] = [];
  for (let i = 0; i < 500; i++) {
    wrong.push(ask(`wrong-${i}`));
    if (i % 5 === 0) good.push(ask(KEYS.app));
  }
  expect(new Set(await Promise.all(good))).toEqual(new Set([200]));
  const statuses = await Promise.all(wrong);
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(450);
  expect(new Set(statuses)).toEqual(new Set([401, 429]));
  expect(await elections()).toBe(before);
});

/** Resolves once it holds; a refused connection is a no. The test's own timeout is the limit. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition().catch(() => false))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
