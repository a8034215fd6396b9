/**
 * Data directories that earlier versions wrote, kept in `test/fixtures`: today's broker opens each
 * and finds everything. A format that is changed without this test noticing would be somebody's data.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask } from "../../../test/cluster/http.ts";
import { waitFor } from "../../../test/cluster/processes.ts";
import { freePort } from "../../../test/ports.ts";
import { type BrokerProcess, startBroker } from "../src/broker-process.ts";
import { loadConfig } from "../src/config/load-config.ts";
import { loadQueue } from "../src/load-queue.ts";
import type { NodeLogger } from "../src/observe/logger.ts";
import { openDataDir } from "../src/storage/data-dir.ts";

const FORMAT_1 = fileURLToPath(new URL("../../../test/fixtures/format-1", import.meta.url));
const LOG = { info() {}, warn() {}, error() {} } as unknown as NodeLogger;

interface KnownTask {
  readonly id: string;
  readonly state: string;
  readonly attempt: number;
}

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tq-fixture-"));
  execFileSync("tar", ["-xzf", join(FORMAT_1, "data.tgz"), "-C", folder]);
  path = join(folder, "data");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function knownTasks(): KnownTask[] {
  const lines = readFileSync(join(FORMAT_1, "tasks.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as KnownTask);
}

test("the stores of format 1 are whole, and their records make a queue", async () => {
  const data = await openDataDir({ path, nodeId: "node1", maxConnections: 1 });
  try {
    expect(data.verdict).toEqual({ kind: "clean" });
    // The fixture is of use only while the beginning of its log is compacted away.
    expect(data.log.base.index).toBeGreaterThan(0);
    const queue = await loadQueue(data.states.live);
    queue.checkInvariants();
    const counts: Record<string, number> = {};
    for (const { state } of knownTasks()) counts[state] = (counts[state] ?? 0) + 1;
    expect(queue.counts()).toMatchObject(counts);
  } finally {
    await data.close();
  }
});

test("a broker of today goes on with a directory of format 1", async () => {
  const restPort = await freePort();
  const broker = await startOn(restPort);
  const api = `http://127.0.0.1:${restPort}/api/v1`;
  try {
    await waitFor("a leader", async () => (await ask(`${api}/leader`)).status === 200);
    const { text } = await ask(`${api}/tasks?limit=1000&payload=true`);
    const { tasks } = JSON.parse(text) as { tasks: KnownTask[] };
    const found = new Map(tasks.map((task) => [task.id, task]));
    for (const task of knownTasks()) {
      // A lease lives on for its full time from the start; a slow machine may see it lapse.
      const states = task.state === "running" ? ["running", "pending"] : [task.state];
      expect(found.get(task.id)?.state).toBeOneOf(states);
      expect(found.get(task.id)).toMatchObject({ ...task, state: expect.any(String) });
    }
    expect(found.size).toBe(knownTasks().length);
    const dead = knownTasks().find(({ state }) => state === "dead") as KnownTask;
    const retried = await ask(`${api}/tasks/${dead.id}/retry`, { method: "POST", body: {} });
    expect(JSON.parse(retried.text)).toMatchObject({ id: dead.id, state: "pending" });
    const body = { type: "kept", payload: { n: 0, text: "kept 0" }, idempotency_key: "key-0" };
    const again = await ask(`${api}/tasks`, { method: "POST", body });
    expect(again.status).toBeOneOf([200, 201]);
  } finally {
    await broker.stop();
  }
});

async function startOn(restPort: number): Promise<BrokerProcess> {
  const flags = ["--node-id", "node1", "--data-dir", path, "--rest-port", `${restPort}`];
  const address = ["--broker-addr", `127.0.0.1:${await freePort()}`];
  const config = loadConfig({
    argv: [...flags, ...address],
    env: { TQ_MONITORING__PROMETHEUS_PORT: `${await freePort()}` },
  });
  return await startBroker({
    config,
    version: "test",
    log: LOG,
    signal: new AbortController().signal,
    onFatal: (what, error) => {
      throw new Error(what, { cause: error });
    },
    onRemoved: () => undefined,
  });
}
