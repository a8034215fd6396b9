/**
 * Runs what the README says: `npm start` with its ports moved, the shell snippets with curl and
 * tq-admin, the TypeScript snippets as they stand. A snippet without a way to run it here is a failure.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitOf, httpGet, waitFor } from "./cluster/processes.ts";
import { freePortsApart } from "./ports.ts";

const readme = readFileSync("README.md", "utf8");
const snippets = [...readme.matchAll(/^```(sh|ts)\n([\s\S]*?)^```$/gm)].map(
  ([, language, code]) => ({ language, code: code as string }),
);
/** Run by the test's own set-up, or by whoever runs this test. */
const RUN_ELSEWHERE = ["npm start\n", "npm test\n"];
const OUT = resolve("test/out/readme");

let dataDir: string;
let demo: ChildProcess;
/** Of `npm start`. */
const NODES = 3;
let hasEnded = false;
let workerPort: number;
let restPort: number;

/** The snippet with the ports of this run. */
function moved(code: string): string {
  return code
    .replaceAll(/:8080\b/g, `:${restPort}`)
    .replaceAll(/:8180\b/g, `:${restPort + 100}`)
    .replaceAll(/:6379\b/g, `:${workerPort}`)
    .replaceAll(/:6380\b/g, `:${workerPort + 1}`)
    .replaceAll(/:6381\b/g, `:${workerPort + 2}`);
}

function shell(code: string, env: Record<string, string> = {}): string {
  return execFileSync("bash", ["-euo", "pipefail", "-c", moved(code)], {
    encoding: "utf8",
    env: { ...process.env, TQ_BROKER_ADDR: `127.0.0.1:${workerPort}`, ...env },
  });
}

function snippet(containing: string): string {
  const found = snippets.find(({ code }) => code.includes(containing));
  if (found === undefined) throw new Error(`README has no snippet with ${containing}`);
  return found.code;
}

async function isReady(port: number): Promise<boolean> {
  const answer = await httpGet(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  return answer?.status === 200;
}

/** Vite compiles it as it does the tests. */
async function runTypeScript(name: string, code: string): Promise<Record<string, unknown>> {
  mkdirSync(OUT, { recursive: true });
  const file = join(OUT, `${name}.ts`);
  writeFileSync(file, moved(code));
  return (await import(file)) as Record<string, unknown>;
}

beforeAll(async () => {
  workerPort = await freePortsApart(1, NODES);
  restPort = await freePortsApart(100, NODES);
  dataDir = mkdtempSync(join(tmpdir(), "tq-readme-"));
  demo = spawn("npm", ["start", "--", "packages/raft/src"], {
    env: {
      ...process.env,
      TQ_DATA_DIR: dataDir,
      TQ_WORKER_PORT: `${workerPort}`,
      TQ_REST_PORT: `${restPort}`,
      TQ_GRPC_PORT: `${await freePortsApart(100, NODES)}`,
      TQ_METRICS_PORT: `${await freePortsApart(100, NODES)}`,
      // Of another cluster, as a shell may have them: the demo is none of it.
      TQ_QUEUES: "elsewhere",
      TQ_AUTH__ENABLED: "true",
    },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  let output = "";
  demo.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  demo.once("exit", (status) => {
    hasEnded = true;
    output += `\nnpm start ended with ${status}`;
  });
  const isRunning = () => {
    if (hasEnded) throw new Error(output);
    return output.includes("tq is running");
  };
  await waitFor("npm start", isRunning, 120_000);
  await waitFor("all nodes", () => isReady(restPort + 200));
}, 180_000);

afterAll(async () => {
  if (demo?.pid !== undefined && !hasEnded) {
    const ended = exitOf(demo);
    process.kill(-demo.pid, "SIGTERM");
    await ended;
  }
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

describe("the README", () => {
  test("has no snippet that this test does not know", () => {
    const known = [
      ...RUN_ELSEWHERE,
      ...["curl -s http", "$TASK_ID", "createWorker", "tq.submit", "cluster-status"].map(snippet),
    ];
    expect(snippets.map(({ code }) => code).filter((code) => !known.includes(code))).toEqual([]);
  });

  test("submits with curl and reads the result from another node", () => {
    const submitted = JSON.parse(shell(snippet("curl -s http"))) as { id: string };
    const task = JSON.parse(shell(snippet("$TASK_ID"), { TASK_ID: submitted.id }));
    expect(task).toMatchObject({ state: "completed", result: { hello: "world" } });
  });

  test("works and submits with TypeScript", async () => {
    const workerModule = await runTypeScript(
      "worker",
      `${snippet("createWorker")}\nexport { worker };\n`,
    );
    // Throws unless the result is what the worker made.
    await runTypeScript("submit", snippet("tq.submit"));
    await (workerModule["worker"] as { stop(): Promise<unknown> }).stop();
  });

  test("runs three brokers, each of which knows the programs of all", async () => {
    const { version } = JSON.parse(readFileSync("packages/broker/package.json", "utf8"));
    for (let node = 0; node < NODES; node++) {
      const versions = async () => {
        const answer = await httpGet(`http://127.0.0.1:${restPort + 100 * node}/cluster`);
        const { members } = JSON.parse(answer.text) as { members: { version: string }[] };
        return members.map((member) => member.version);
      };
      await expect.poll(versions, { timeout: 10_000 }).toEqual([version, version, version]);
    }
  });

  test("looks around with tq-admin", () => {
    const output = shell(snippet("cluster-status"));
    expect(output).toContain('"leader_id"');
    expect(output).toContain('"state":"completed"');
  });
});
