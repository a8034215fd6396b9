/**
 * Runs what docs/operations.md says, from the certificates to the end, as one shell session that a
 * stranger types into a clone: all commands as they stand there, on ports of this test. The clone
 * is a folder with links into this one, and the stranger's home is empty.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { exitOf, waitFor } from "./cluster/processes.ts";
import { needs } from "./needs.ts";
import { freePort } from "./ports.ts";

/** How the page has them, and how they are on three machines. */
const LOOPBACK = "HOSTS=([1]=127.0.0.1 [2]=127.0.0.2 [3]=127.0.0.3)";
const MACHINES = "HOSTS=([1]=10.0.1.10 [2]=10.0.1.11 [3]=10.0.1.12)";
/** Run by `pretest`. */
const RUN_ELSEWHERE = "npm ci && npm run build\n";
const CONFIGS = ["haproxy-tls.cfg", "haproxy-tls-rest.cfg"];
const PORTS = ["6379", "8080", "9090", "9091", "8443"];
const LIMIT_MS = 240_000;
/** Stands in the output before that of each snippet. */
const MARK = "=== snippet ";

const home = mkdtempSync(join(tmpdir(), "tq-operations-"));
const work = join(home, "tq-cluster");
let session: ChildProcess | undefined;

afterAll(() => {
  if (session?.pid !== undefined && session.exitCode === null) process.kill(-session.pid);
  for (const pid of pidsLeft()) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

/** Of the programs that the page has started and noted, those that still run. */
function pidsLeft(): number[] {
  if (!existsSync(work)) return [];
  const files = readdirSync(work).filter((name) => name.endsWith(".pid"));
  return files
    .map((name) => Number(readFileSync(join(work, name), "utf8")))
    .filter((pid) => existsSync(`/proc/${pid}`));
}

async function moveOf(): Promise<(text: string) => string> {
  const moved = new Map<string, string>();
  for (const port of PORTS) moved.set(port, `${await freePort()}`);
  const known = new RegExp(`\\b(${PORTS.join("|")})\\b`, "g");
  return (text) => text.replace(known, (port) => moved.get(port) as string);
}

/** What a session reads of a clone after the build. */
function makeClone(move: (text: string) => string): string {
  const clone = join(home, "clone");
  mkdirSync(join(clone, "deploy/haproxy"), { recursive: true });
  symlinkSync(resolve("node_modules"), join(clone, "node_modules"));
  for (const name of CONFIGS) {
    const path = join("deploy/haproxy", name);
    writeFileSync(join(clone, path), move(readFileSync(path, "utf8")));
  }
  return clone;
}

/** The output of each snippet, in order; throws with all of it unless the session ends well. */
async function run(snippets: readonly string[], cwd: string): Promise<string[]> {
  // On one machine no two tests can have the one health port that workers have by default.
  const env = { ...process.env, HOME: home, TQ_HEALTH_PORT: "0" };
  session = spawn("bash", ["-euo", "pipefail"], { cwd, env, detached: true });
  let output = "";
  const note = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  session.stdout?.on("data", note);
  session.stderr?.on("data", note);
  const ended = exitOf(session);
  session.stdin?.end(snippets.map((code) => `echo "${MARK}"\n${code}`).join("\n"));
  const status = await ended;
  const logs = (existsSync(work) ? readdirSync(work) : []).filter((name) => name.endsWith(".log"));
  const tails = logs.map((name) => `${name}: ${readFileSync(join(work, name), "utf8")}`);
  if (status !== 0) throw new Error(`status ${status}: ${output}\n${tails.join("\n")}`);
  return output.split(`${MARK}\n`).slice(1);
}

const page = readFileSync("docs/operations.md", "utf8");
const snippets = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code]) => `${code}`);
const typed = snippets.filter((code) => code !== RUN_ELSEWHERE);

describe("docs/operations.md", () => {
  needs("haproxy")(
    "from a clone to TLS, keys and HAProxy, and without a leader",
    async () => {
      expect(typed).toHaveLength(snippets.length - 1);
      const move = await moveOf();
      const outputs = await run(typed.map(move), makeClone(move));
      const outputOf = (containing: string): string => {
        const at = typed.findIndex((code) => code.includes(containing));
        return outputs[at] ?? `no snippet has ${containing}`;
      };
      expect(outputOf("start() {")).toMatch(/"leader_id": "node[123]"/);
      const first = JSON.parse(outputOf("order-1"));
      expect(first).toMatchObject({ state: "completed", result: { order: 1 } });
      const second = outputOf("order-2");
      expect(second).toContain('"result":{"order":2}');
      expect(second).toContain('"state":"completed"');
      await waitFor("the end of all programs", () => pidsLeft().length === 0);
      expect(readFileSync(join(work, "worker.log"), "utf8")).not.toContain("error");
    },
    LIMIT_MS,
  );

  test(
    "makes settings that pass on three machines, where all ports are seen",
    async () => {
      rmSync(home, { recursive: true, force: true });
      const upTo = typed.findIndex((code) => code.includes("config validate"));
      const code = typed.slice(0, upTo + 1).map((each) => each.replace(LOOPBACK, MACHINES));
      await run(
        code,
        makeClone((text) => text),
      );
      const first = readFileSync(join(work, "node1.yaml"), "utf8");
      expect(first).toContain("  host: 10.0.1.10\n");
      expect(first).toContain("    - 10.0.1.11:6379\n    - 10.0.1.12:6379\n");
    },
    LIMIT_MS,
  );
});
