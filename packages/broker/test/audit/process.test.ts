/** A broker from its start to its stop, with keys: what its log has of that, and what it has not. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import bcrypt from "bcrypt";
import type { AuditJson } from "task-queue-protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { freePort } from "../../../../test/ports.ts";
import { AuditCheck } from "../../../admin/src/audit-check.ts";
import { connect } from "../../../client/src/index.ts";
import { processDeed } from "../../src/audit/open.ts";
import { ProcessNotes } from "../../src/audit/process-notes.ts";
import { type BrokerProcess, startBroker } from "../../src/broker-process.ts";
import { loadConfig } from "../../src/config/load-config.ts";

const KEYS = { ops: "canary-of-ops", shop: "canary-of-shop" };
const COST = 4;

class World {
  readonly notes = new ProcessNotes();
  readonly abort = new AbortController();
  readonly folder = mkdtempSync(join(tmpdir(), "tq-audited-"));
  readonly logged: string[] = [];
  readonly hashes: string[] = [];
  readonly ports: number[] = [];

  static async make(): Promise<World> {
    const world = new World();
    onTestFinished(() => rmSync(world.folder, { recursive: true }));
    for (let i = 0; i < 4; i++) world.ports.push(await freePort());
    return world;
  }

  path(name = "data"): string {
    return join(this.folder, name);
  }

  get servers(): string {
    return `127.0.0.1:${this.ports[0]}`;
  }

  get api(): string {
    return `http://127.0.0.1:${this.ports[1]}`;
  }

  async start(data: string, more: readonly string[] = [], env = {}): Promise<BrokerProcess> {
    const [port, rest, grpc, metrics] = this.ports;
    const keys = Object.entries(KEYS).map(([name, key]) => {
      const key_hash = bcrypt.hashSync(key, COST);
      this.hashes.push(key_hash);
      return { name, key_hash, permissions: [name === "ops" ? "admin" : "submit_tasks"] };
    });
    const file = this.path("config.yaml");
    writeFileSync(file, JSON.stringify({ auth: { enabled: true, api_keys: keys } }));
    const at = ["--broker-addr", `127.0.0.1:${port}`, "--rest-port", `${rest}`, "--node-id", "a"];
    const argv = ["--config", file, "--data-dir", this.path(data), ...at, ...more];
    const own = { TQ_MONITORING__PROMETHEUS_PORT: `${metrics}`, TQ_API__GRPC_PORT: `${grpc}` };
    const log = (fields: object, text: string) => {
      this.logged.push(`${JSON.stringify(fields)} ${text}`);
    };
    const levels = { debug: log, info: log, warn: log, error: log, fatal: log };
    const broker = await startBroker({
      config: loadConfig({ argv, env: { ...own, TQ_PERSISTENCE__MIN_FREE_DISK: "0", ...env } }),
      version: "9.9.9",
      log: { ...levels, setLevel() {}, reopen() {}, flush() {} },
      notes: this.notes,
      signal: this.abort.signal,
      onFatal: (what, error) => {
        throw new Error(what, { cause: error });
      },
      onRemoved: () => undefined,
    });
    return broker;
  }

  lines(path = join("data", "audit.log")): AuditJson[] {
    const text = readFileSync(this.path(path), "utf8");
    const check = new AuditCheck();
    const lines = text.trimEnd().split("\n");
    for (const line of lines) check.take(line);
    expect(check.finish(text.endsWith("\n")).fault).toBeUndefined();
    return lines.map((line) => JSON.parse(line) as AuditJson);
  }
}

function shown({ who, door, verb, target, outcome }: AuditJson): string {
  return [who || "-", door, verb || "-", target || "-", outcome].join(" ");
}

test("start, actions, refusals and stop; nowhere a key, a hash or a payload", async () => {
  const world = await World.make();
  const broker = await world.start("data");
  const client = connect({ servers: world.servers, apiKey: KEYS.ops });
  await client.cluster();
  const task = await client.submit("mail", { secret: "canary-in-payload" }, { delayMs: 60_000 });
  await client.cancel(task.id, "canary-in-reason");
  const ask = (key: string, path: string) => {
    return fetch(`${world.api}${path}`, { method: "POST", headers: { "x-api-key": key } });
  };
  expect((await ask("canary-of-nobody", "/queues/mail/pause")).status).toBe(401);
  expect((await ask(KEYS.shop, "/queues/mail/pause")).status).toBe(403);
  expect((await ask(KEYS.ops, "/queues/mail/pause")).status).toBe(200);
  world.notes.note(processDeed("reload", { detail: "changed: auth.api_keys" }));
  await client.close();
  await broker.stop();
  const lines = world.lines();
  expect(lines.map(shown).sort()).toEqual([
    "- process reload - ok",
    "- process start 9.9.9 ok",
    "- process stop - ok",
    "- rest - - unauthenticated",
    `ops rest configure_queue mail ok`,
    `ops worker cancel ${task.id} ok`,
    "shop rest configure_queue - permission_denied",
  ]);
  const indexes = lines.filter(({ who }) => who === "ops").map(({ index }) => index);
  expect(indexes[0]).toBeGreaterThan(0);
  expect(indexes[1]).toBeGreaterThan(indexes[0]!);
  const all = `${JSON.stringify(lines)}${world.logged.join("\n")}`;
  expect(all).not.toContain("canary-");
  for (const hash of world.hashes) expect(all).not.toContain(hash.slice(7));
});

test("a reload is noted whenever it comes, also while the start waits for its peers", async () => {
  const world = await World.make();
  const peers = { TQ_RAFT__ENABLED: "true", TQ_RAFT__PORT: `${await freePort()}` };
  world.notes.note(processDeed("reload", { detail: "too early for a log" }));
  const nobody = ["--peer", `127.0.0.1:${await freePort()}`];
  const starting = world.start("data", nobody, peers).catch((error: unknown) => error);
  await vi.waitFor(() => expect(world.lines()).toHaveLength(2), { timeout: 30_000 });
  world.notes.note(processDeed("reload", { detail: "before the doors" }));
  await vi.waitFor(() => expect(world.lines()).toHaveLength(3), { timeout: 30_000 });
  world.abort.abort(new Error("called off"));
  expect(await starting).toEqual(new Error("called off"));
  world.notes.note(processDeed("reload", { detail: "after the end" }));
  expect(world.lines().map(({ verb, detail }) => [verb, detail])).toEqual([
    ["start", undefined],
    ["reload", "too early for a log"],
    ["reload", "before the doors"],
  ]);
});

test("a restore is noted once, by the backup that it began from", async () => {
  const world = await World.make();
  const first = await world.start("data");
  const client = connect({ servers: world.servers, apiKey: KEYS.ops });
  const pieces: Uint8Array[] = [];
  for await (const piece of client.snapshot()) pieces.push(piece);
  const { cluster_id } = await client.cluster();
  await client.close();
  await first.stop();
  writeFileSync(world.path("backup"), Buffer.concat(pieces));
  for (let i = 0; i < 2; i++) {
    await (await world.start("other", ["--restore", world.path("backup")])).stop();
  }
  const lines = world.lines(join("other", "audit.log"));
  expect(lines.map(({ verb }) => verb)).toEqual(["restore", "start", "stop", "start", "stop"]);
  expect(lines[0]).toMatchObject({ detail: `of cluster ${cluster_id}` });
  expect(lines[0]?.target).not.toBe("");
});

test("it can be turned off, and moved; where it cannot be, the start says so", async () => {
  const world = await World.make();
  await (await world.start("data", [], { TQ_AUDIT__ENABLED: "false" })).stop();
  expect(() => world.lines()).toThrow("ENOENT");
  const file = world.path(join("elsewhere", "who.log"));
  await (await world.start("data", [], { TQ_AUDIT__FILE: file })).stop();
  expect(world.lines(join("elsewhere", "who.log")).map(({ verb }) => verb)).toEqual([
    "start",
    "stop",
  ]);
  mkdirSync(world.path("taken"));
  const taken = world.start("data", [], { TQ_AUDIT__FILE: world.path("taken") });
  await expect(taken).rejects.toThrow(/the audit log .*taken cannot be opened: EISDIR/);
});
