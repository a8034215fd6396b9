/**
 * Lines of the deployment guide that no other test runs, as they stand there, against the programs
 * as they were built: with other paths and ports, and one broker at `host`. The table in
 * docs/operations.md says where the others are run.
 */
import { type ChildProcess, execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "task-queue-client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../needs.ts";
import { freePort } from "../ports.ts";
import { exitOf, httpGet, ROOT, startProcess, waitFor } from "./processes.ts";

const CONFIG = `
broker:
  host: 0.0.0.0
  port: 6379
  max_connections: 1000
  queue_depth_threshold: 100000

persistence:
  data_dir: /var/lib/task-queue
  wal_sync_interval_ms: 100
  completed_task_retention_days: 7

raft:
  enabled: false  # Single node

api:
  rest_port: 8080
  grpc_port: 9090
  enable_tls: false

auth:
  enabled: false  # Enable for production

monitoring:
  prometheus_port: 9091
  log_level: info

worker:
  concurrency: 4
  heartbeat_interval_secs: 15
  lease_timeout_secs: 30
`;

const AUTH = `auth:
  enabled: true
  api_keys:
    - key_hash: "$2a$10$..."  # bcrypt hash
      permissions:
        - submit_tasks
        - read_tasks
        - cancel_tasks
        - admin
`;

const HEALTH_CHECK = `#!/bin/bash
# health-check.sh

STATUS=$(curl -s http://localhost:8080/health | jq -r '.status')

if [ "$STATUS" == "healthy" ]; then
    exit 0
else
    exit 1
fi
`;

interface Program {
  readonly child: ChildProcess;
  readonly exit: Promise<number | string>;
  readonly log: () => string;
}

const dir = mkdtempSync(join(tmpdir(), "tq-guide-"));
/** Ports of the guide, and the ones that they are here. */
const ports = new Map<string, number>();
let programs: Program[] = [];
let started = 0;

beforeAll(async () => {
  for (const port of ["6379", "8080", "9090", "9091"]) ports.set(port, await freePort());
});

afterEach(async () => {
  for (const { child } of programs) child.kill("SIGKILL");
  await Promise.all(programs.map(({ exit }) => exit));
  programs = [];
  rmSync(join(dir, "data"), { recursive: true, force: true });
});

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function moved(text: string): string {
  return text
    .replaceAll(/\b(6379|8080|9090|9091)\b/g, (port) => `${ports.get(port)}`)
    .replaceAll("/var/lib/task-queue", join(dir, "data"))
    .replaceAll("/etc/task-queue", dir)
    .replaceAll("10.0.1.10", "127.0.0.1")
    .replaceAll("new-broker", "127.0.0.1");
}

const PATH = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`;

/** A line as a shell runs it; its output. */
async function shell(line: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", ["-o", "pipefail", "-c", moved(line)], {
    cwd: dir,
    env: { ...process.env, PATH, TQ_BROKER_ADDR: moved("127.0.0.1:6379"), ...env },
  });
  return stdout;
}

async function json<T>(line: string): Promise<T> {
  return JSON.parse(await shell(line)) as T;
}

/** A program in the background, with the guide's own words: `NAME=value` before it, then flags. */
function run(line: string): Program {
  const words = moved(line).split(/\s+/);
  const at = words.findIndex((word) => !word.includes("="));
  const env = Object.fromEntries(words.slice(0, at).map((word) => word.split("=")));
  const name = words[at]?.replace("./", "");
  const logFile = join(dir, `${started++}.log`);
  const child = startProcess(`node_modules/.bin/${name}`, words.slice(at + 1), {
    logFile,
    // Where the worker asks, as its default would say on an unmoved machine.
    env: { TQ_BROKER_ADDR: moved("127.0.0.1:6379"), TQ_HEALTH_PORT: "0", ...env },
  });
  const program = { child, exit: exitOf(child), log: () => readFileSync(logFile, "utf8") };
  programs.push(program);
  return program;
}

async function startBroker(line = "tq-broker --config /etc/task-queue/config.yaml") {
  const broker = run(line);
  await waitFor("the broker", async () => {
    if (broker.child.exitCode !== null) throw new Error(broker.log());
    const answer = await httpGet(moved("http://127.0.0.1:8080/readyz")).catch(() => undefined);
    return answer?.status === 200;
  });
  return broker;
}

function writeConfig(text: string): void {
  writeFileSync(join(dir, "config.yaml"), moved(text));
}

/** Of the only worker, once it is there. */
async function worker(): Promise<Record<string, unknown>> {
  return await waitFor("a worker", async () => {
    const [only] = await json<Record<string, unknown>[]>("tq-admin workers");
    return only;
  });
}

async function work(count: number): Promise<void> {
  await using client = connect({ servers: moved("127.0.0.1:6379") });
  const runs = Array.from({ length: count }, async (_, n) => {
    const handle = await client.submit("echo", { n, said: 'it\'s "n"' });
    return await handle.result();
  });
  await Promise.all(runs);
}

describe("a single node with the guide's file", () => {
  test("starts as its service does, and warns that all can reach it", async () => {
    writeConfig(CONFIG);
    const broker = await startBroker();
    expect(broker.log()).toContain("can be reached on 0.0.0.0 without API keys and TLS");
    const { text } = await httpGet(moved("http://127.0.0.1:9091/metrics"));
    expect(text).toMatch(/^tq_insecure_listener\S* 1$/m);
    expect(text).toMatch(/^tq_tasks_pending 0$/m);
    expect(text).toMatch(/^tq_workers_connected 0$/m);
    broker.child.kill("SIGTERM");
    expect(await broker.exit).toBe(0);
  });

  test("is looked at with tq-admin, while a worker of its service works", async () => {
    writeConfig(CONFIG);
    await startBroker();
    const status = await json<{ leader_id: string; members: unknown[] }>(
      "tq-admin --broker-addr 10.0.1.10:6379 cluster-status",
    );
    expect(status.leader_id).not.toBe("");
    expect(status.members).toHaveLength(1);
    expect(await json("tq-admin workers")).toEqual([]);
    run("tq-worker --broker-addr 127.0.0.1:6379 --concurrency 4");
    expect(await worker()).toMatchObject({ concurrency: 4, running: 0 });
    await work(3);
    expect(await json("tq-admin queue-depth")).toMatchObject([{ name: "default" }]);
    const stats = await json<Record<string, unknown>>("tq-admin stats");
    expect(stats).toMatchObject({ tasks: { completed: 3, pending: 0 } });
    expect(Object.keys(stats)).toContain("storage");
  });

  test.each([
    ["./tq-worker --broker-addr 127.0.0.1:6379 --concurrency 8", 8],
    ["./tq-worker --concurrency 8", 8],
    ["./tq-worker --heartbeat-interval-secs 30", 4],
  ])("%s", async (line, concurrency) => {
    writeConfig(CONFIG);
    await startBroker();
    const { log } = run(line);
    expect(await worker()).toMatchObject({ concurrency });
    if (line.includes("heartbeat")) {
      const said = "sent more often than configured";
      await waitFor("a word on heartbeats", () => log().includes(said));
    }
  });

  test("says more at level debug, and the name of the other logger means nothing", async () => {
    writeConfig(CONFIG);
    const quiet = await startBroker(
      "RUST_LOG=trace ./tq-broker --config /etc/task-queue/config.yaml",
    );
    await shell("curl -sf -H 'X-Request-Id: canary' http://127.0.0.1:8080/queues");
    quiet.child.kill("SIGTERM");
    await quiet.exit;
    expect(quiet.log()).not.toContain("canary");
    writeConfig(CONFIG.replace("log_level: info", "log_level: debug"));
    const loud = await startBroker();
    await shell("curl -sf -H 'X-Request-Id: canary' http://127.0.0.1:8080/queues");
    await waitFor("a line of that request", () => loud.log().includes("canary"));
  });

  test("takes its address from a flag", async () => {
    writeConfig(CONFIG.replace("port: 6379", "port: 1"));
    const line = "RUST_BACKTRACE=1 ./tq-broker --config /etc/task-queue/config.yaml";
    await startBroker(`${line} --broker-addr 0.0.0.0:6379`);
    expect(await json("tq-admin workers")).toEqual([]);
  });
});

describe("scripts of the guide", () => {
  needs("jq")("the health check for load balancers", async () => {
    writeConfig(CONFIG);
    writeFileSync(join(dir, "health-check.sh"), moved(HEALTH_CHECK), { mode: 0o755 });
    const broker = await startBroker();
    await shell("./health-check.sh");
    const found = await shell("pidof tq-broker");
    expect(found.trim().split(" ")).toContain(`${broker.child.pid}`);
    broker.child.kill("SIGTERM");
    await broker.exit;
    await expect(shell("./health-check.sh")).rejects.toMatchObject({ code: 1 });
  });

  needs("jq")("a list of tasks in a file, posted to another cluster", async () => {
    writeConfig(CONFIG);
    await startBroker();
    run("tq-worker --concurrency 8");
    await work(25);
    await shell("tq-admin list --status completed --limit 100000 > tasks.json");
    const listed = JSON.parse(readFileSync(join(dir, "tasks.json"), "utf8"));
    expect(listed).toHaveLength(25);
    await shell(`jq -c '.[]' tasks.json | \\
  xargs -d '\\n' -I {} curl -sf -o /dev/null -X POST http://new-broker:8080/api/v1/tasks \\
    -H "Content-Type: application/json" -d '{}'`);
    await waitFor("their copies", async () => {
      const tasks = await json<{ payload: { said: string } }[]>(
        "tq-admin list --status completed --limit 100000",
      );
      return tasks.length === 50 && tasks.every(({ payload }) => payload.said === 'it\'s "n"');
    });
  });

  needs("htpasswd")("a key, its hash in the file, and TQ_API_KEY", async () => {
    const hash = execFileSync("sh", [
      "-c",
      `echo -n "your-api-key" | htpasswd -niBC 10 "" | tr -d ':\\n'`,
    ]);
    const auth = AUTH.replace("$2a$10$...", () => hash.toString());
    writeConfig(CONFIG.replace(/auth:\n.*\n/, () => auth));
    await startBroker();
    await expect(shell("tq-admin stats")).rejects.toMatchObject({ code: 77 });
    await shell('export TQ_API_KEY="your-api-key"; tq-admin stats');
    await expect(shell("tq-admin stats", { TQ_API_KEY: "another" })).rejects.toMatchObject({
      code: 77,
    });
  });
});
