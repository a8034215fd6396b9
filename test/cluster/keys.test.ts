/**
 * Keys that a cluster of real processes keeps: made at one broker, used at the others by a worker, over
 * REST and over gRPC, revoked at the first, and then good for nothing anywhere, on connections that
 * were open all the time as on new ones; and the same after restarts. No secret is in any log.
 */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import bcrypt from "bcrypt";
import { type Client, type CreatedKeyJson, connect, type Permission } from "task-queue-client";
import { createWorker } from "task-queue-worker";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../ports.ts";
import { ask } from "./http.ts";
import { exitOf, type Node, ROOT, startProcess, TestCluster, waitFor } from "./processes.ts";

const ROOT_KEY = "canary-of-the-configuration";
const LIMIT_MS = 120_000;

const loaded = grpc.loadPackageDefinition(
  loadSync(join(ROOT, "proto/taskqueue.proto"), { includeDirs: [join(ROOT, "proto")] }),
) as unknown as { taskqueue: { v1: { TaskQueue: grpc.ServiceClientConstructor } } };
const { TaskQueue } = loaded.taskqueue.v1;

let cluster: TestCluster;
let root: Client;
let runs = 0;
const grpcPorts = new Map<Node, number>();
/** Everything that was ever shown. */
const shown: CreatedKeyJson[] = [];

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  const apiKeys = [
    { name: "root", key_hash: bcrypt.hashSync(ROOT_KEY, 4), permissions: ["admin"] },
  ];
  for (const node of cluster.nodes) {
    const port = await freePort();
    grpcPorts.set(node, port);
    node.apiKey = ROOT_KEY;
    node.args = [...node.args, "--log-level", "trace"];
    node.env = {
      TQ_API__GRPC_PORT: `${port}`,
      TQ_AUTH__ENABLED: "true",
      TQ_AUTH__API_KEYS: JSON.stringify(apiKeys),
    };
  }
  await cluster.start();
  root = connect({ servers: cluster.servers.join(","), apiKey: ROOT_KEY });
}, LIMIT_MS);

afterAll(async () => {
  await root?.close();
  await cluster?.close();
});

/** `tq-admin` with a key in its environment. */
async function tq(key: string, ...args: string[]) {
  const logFile = join(cluster.dir, `tq-${runs++}.log`);
  const servers = ["--broker-addr", cluster.servers.join(",")];
  const env = { TQ_API_KEY: key };
  const child = startProcess("packages/admin/bin/tq-admin.js", [...servers, ...args], {
    logFile,
    env,
  });
  const status = await exitOf(child);
  return { status, output: readFileSync(logFile, "utf8") };
}

async function made(permissions: Permission[], expiresInMs?: number): Promise<CreatedKeyJson> {
  const key = await root.keys.create({ name: "canary", permissions, expiresInMs });
  shown.push(key);
  return key;
}

/** The leader, on which workers are, and two others. */
async function roles(): Promise<{ leader: Node; one: Node; other: Node }> {
  const leader = await cluster.leader();
  const [one, other] = cluster.nodes.filter((node) => node !== leader) as [Node, Node];
  return { leader, one, other };
}

/** Asks again and again on one and the same connection. */
class KeptAlive {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #node: Node;
  readonly #key: string;
  connections = 0;

  constructor(node: Node, key: string) {
    this.#node = node;
    this.#key = key;
    onTestFinished(() => this.#agent.destroy());
  }

  status(): Promise<number> {
    const headers = { authorization: `Bearer ${this.#key}` };
    return new Promise((resolve, reject) => {
      const url = `http://127.0.0.1:${this.#node.restPort}/queues?consistency=stale`;
      const sent = request(url, { agent: this.#agent, headers }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      sent.on("error", reject);
      sent.on("socket", () => {
        if (!sent.reusedSocket) this.connections++;
      });
      sent.end();
    });
  }
}

/** How an open stream of events ends. */
function watched(node: Node, key: string): { seen: unknown[]; ended: Promise<grpc.status> } {
  const client = new TaskQueue(
    `127.0.0.1:${grpcPorts.get(node)}`,
    grpc.credentials.createInsecure(),
  );
  onTestFinished(() => client.close());
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${key}`);
  const stream = client["WatchTasks"]?.call(client, {}, metadata) as grpc.ClientReadableStream<{
    readonly events?: readonly unknown[];
  }>;
  const seen: unknown[] = [];
  stream.on("data", ({ events = [] }) => seen.push(...events));
  const ended = new Promise<grpc.status>((resolve) => {
    stream.on("error", (error: grpc.ServiceError) => resolve(error.code));
    stream.on("end", () => resolve(grpc.status.OK));
  });
  return { seen, ended };
}

async function workWith(node: Node, apiKey: string) {
  const ran: unknown[] = [];
  const lines: string[] = [];
  const note = (...said: unknown[]) =>
    void lines.push(said.map((each) => JSON.stringify(each)).join(" "));
  const worker = createWorker({
    servers: node.address,
    apiKey,
    handlers: { canary: (payload: unknown) => void ran.push(payload) },
    logger: { debug: note, info: note, warn: note, error: note },
  });
  onTestFinished(async () => void (await worker.stop({ graceMs: 0, abortMs: 100 })));
  await worker.start();
  return { ran, said: () => lines.join("\n") };
}

describe("a key that is made at one broker and revoked there", () => {
  test(
    "is good, and then no longer, on connections that the others have open",
    async () => {
      const { leader, one, other } = await roles();
      const key = await made(["read_tasks", "process_tasks", "submit_tasks"]);
      const rest = new KeptAlive(other, key.key);
      expect(await rest.status()).toBe(200);
      const watch = watched(other, key.key);
      const work = await workWith(leader, key.key);
      await (await root.submit("canary", 1)).result();
      await waitFor("the first events", () => watch.seen.length > 0);
      const application = connect({ servers: other.address, stay: true, apiKey: key.key });
      onTestFinished(() => application.close());
      await application.submit("other", 1);

      const revoked = await ask(`http://127.0.0.1:${one.restPort}/keys/${key.id}`, {
        method: "DELETE",
        apiKey: ROOT_KEY,
      });
      expect([revoked.status, JSON.parse(revoked.text).state]).toEqual([200, "revoked"]);
      await cluster.converged();
      const seen = watch.seen.length;
      await root.submit("canary", 2);

      expect(await rest.status()).toBe(401);
      expect(rest.connections).toBe(1);
      expect(await watch.ended).toBe(grpc.status.UNAUTHENTICATED);
      expect(watch.seen).toHaveLength(seen);
      await expect(application.submit("other", 2)).rejects.toMatchObject({
        code: "unauthenticated",
      });
      await waitFor("the worker's end", () => work.said().includes("was revoked"));
      expect(work.ran).toEqual([1]);
      for (const node of cluster.nodes) {
        const answer = await ask(`http://127.0.0.1:${node.restPort}/queues`, { apiKey: key.key });
        expect(answer.status).toBe(401);
      }
    },
    LIMIT_MS,
  );

  test(
    "ends by itself at its time, on every broker",
    async () => {
      const key = await made(["read_tasks"], 3_000);
      const statuses = () => {
        return Promise.all(
          cluster.nodes.map(async ({ restPort }) => {
            const url = `http://127.0.0.1:${restPort}/queues?consistency=stale`;
            return (await ask(url, { apiKey: key.key })).status;
          }),
        );
      };
      expect(await statuses()).toEqual([200, 200, 200]);
      await waitFor("its end everywhere", async () => {
        return (await statuses()).every((status) => status === 401);
      });
      expect(await root.keys.list()).toContainEqual(
        expect.objectContaining({ id: key.id, state: "expired" }),
      );
    },
    LIMIT_MS,
  );
});

test(
  "tq-admin makes, uses, rotates and revokes keys; all of it outlives restarts and is in no log",
  async () => {
    const create = ["keys", "create", "--name", "ops", "--permission", "admin", "--expires", "1h"];
    const first: CreatedKeyJson = JSON.parse((await tq(ROOT_KEY, ...create)).output);
    const rotated = await tq(first.key, "keys", "rotate", first.id, "--grace", "30m");
    const second: CreatedKeyJson = JSON.parse(rotated.output);
    shown.push(first, second);
    expect(second).toMatchObject({ name: "ops", permissions: ["admin"], created_by: "ops" });
    expect((await tq(second.key, "keys", "revoke", first.id)).status).toBe(0);
    expect((await tq(first.key, "stats")).status).toBe(77);

    for (const node of cluster.nodes) await node.kill("SIGKILL");
    await cluster.start();
    expect((await tq(first.key, "stats")).status).toBe(77);
    expect((await tq(second.key, "stats")).status).toBe(0);
    const { output } = await tq(second.key, "keys", "list");
    expect(JSON.parse(output)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ id: first.id, state: "revoked" }),
        expect.objectContaining({ id: second.id, state: "active" }),
      ]),
    );
    const wrong = second.key.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
    expect((await tq(wrong, "stats")).status).toBe(77);
    const url = `http://127.0.0.1:${cluster.nodes[0]?.restPort}/keys/${second.key}`;
    expect((await ask(url, { method: "DELETE", apiKey: ROOT_KEY })).status).toBe(404);

    const log = cluster.nodes.map((node) => node.log()).join("\n");
    const trail = cluster.nodes.map(({ dataDir }) => auditOf(dataDir)).join("\n");
    expect(trail).toContain(second.id);
    for (const { key } of [...shown, { key: wrong }]) {
      expect(log).not.toContain(key.slice(-43));
      expect(trail).not.toContain(key.slice(-43));
    }
  },
  LIMIT_MS,
);

function auditOf(dataDir: string): string {
  return readFileSync(join(dataDir, "audit.log"), "utf8");
}
