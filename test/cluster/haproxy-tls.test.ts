/**
 * A cluster with TLS and keys behind HAProxy, which passes TLS through and, for REST, also ends it.
 * The leader is killed under load: nothing is lost, no answer is wrong, and no submit is left open.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import bcrypt from "bcrypt";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { Authority } from "../certificates.ts";
import { needs } from "../needs.ts";
import { freePort } from "../ports.ts";
import { audit } from "./audit.ts";
import { HaProxy } from "./haproxy.ts";
import { ask } from "./http.ts";
import { type Node, ROOT, TestCluster, waitFor } from "./processes.ts";
import { Traffic } from "./traffic.ts";

const PER_SECOND = 50;
const BETWEEN = 50;
const GRPC_MS = 10_000;
const KEY = "key-of-the-application";

const dir = mkdtempSync(join(tmpdir(), "tq-haproxy-tls-"));
const doors = new Authority(dir, "doors");
const bus = new Authority(dir, "bus");

const loaded = grpc.loadPackageDefinition(
  loadSync(join(ROOT, "proto/taskqueue.proto"), { includeDirs: [join(ROOT, "proto")] }),
) as unknown as { taskqueue: { v1: { TaskQueue: grpc.ServiceClientConstructor } } };
const { TaskQueue } = loaded.taskqueue.v1;

let cluster: TestCluster;
let proxy: HaProxy | undefined;

beforeAll(async () => {
  cluster = await TestCluster.create(3);
  const key_hash = bcrypt.hashSync(KEY, 4);
  const permissions = ["submit_tasks", "read_tasks", "process_tasks"];
  const apiKeys = [{ name: "all", key_hash, permissions }];
  for (const node of cluster.nodes) secure(node, await freePort(), apiKeys);
  await cluster.start();
});

afterAll(async () => {
  await proxy?.stop();
  await cluster?.close();
  rmSync(dir, { recursive: true, force: true });
});

function secure(node: Node, grpcPort: number, apiKeys: readonly object[]): void {
  const pair = doors.issue("task-queue");
  const onBus = bus.issue(node.id, { names: [`DNS:${node.id}`] });
  node.tls = { ca: doors.caPem, servername: "task-queue" };
  node.apiKey = KEY;
  node.env = {
    TQ_API__ENABLE_TLS: "true",
    TQ_API__TLS_CERT_PATH: pair.cert,
    TQ_API__TLS_KEY_PATH: pair.key,
    TQ_API__GRPC_PORT: `${grpcPort}`,
    TQ_MONITORING__ENABLE_TLS: "true",
    TQ_RAFT__TLS_CERT_PATH: onBus.cert,
    TQ_RAFT__TLS_KEY_PATH: onBus.key,
    TQ_RAFT__TLS_CA_PATH: bus.ca,
    TQ_AUTH__ENABLED: "true",
    TQ_AUTH__API_KEYS: JSON.stringify(apiKeys),
    TQ_SECURITY__REQUIRE: "true",
  };
}

/** Through HAProxy on a connection of its own; the status. */
async function submitOverGrpc(key: string): Promise<grpc.status> {
  const credentials = grpc.credentials.createSsl(Buffer.from(doors.caPem));
  const { grpcAddress } = proxy as HaProxy;
  const client = new TaskQueue(grpcAddress, credentials, {
    "grpc.ssl_target_name_override": "task-queue",
    "grpc.use_local_subchannel_pool": 1,
  });
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${key}`);
  const request = { task: { type: "keep", queue: "keep" } };
  const deadline = Date.now() + GRPC_MS;
  const status = await new Promise<grpc.status>((resolve) => {
    client["SubmitTask"]?.(request, metadata, { deadline }, (error: grpc.ServiceError | null) => {
      resolve(error?.code ?? grpc.status.OK);
    });
  });
  client.close();
  return status;
}

describe("HAProxy in front of TLS and keys", () => {
  needs("haproxy")(
    "carries an application while leaders are killed",
    async () => {
      proxy = await HaProxy.start(cluster, { ca: doors.ca, pair: doors.issue("task-queue") });
      const traffic = await Traffic.begin(cluster, PER_SECOND, proxy);
      for (let round = 0; round < 2; round++) {
        const leader = await cluster.leader();
        await leader.kill("SIGKILL");
        await traffic.flow(BETWEEN);
        leader.start();
        await cluster.allReady();
        await traffic.flow(BETWEEN);
      }
      const findings = await audit(cluster, traffic);
      expect(findings.wrong).toEqual([]);
      expect(traffic.ledger.count("unknown")).toBe(0);
      expect([...traffic.ledger.refusals]).toEqual([]);
    },
    600_000,
  );

  needs("haproxy")("lets nobody in whom the brokers would not", async () => {
    const body = { type: "echo" };
    const { restUrls, access } = proxy as HaProxy;
    for (const url of restUrls) {
      const send = (apiKey?: string) => {
        return ask(`${url}/tasks`, { ...access, apiKey, method: "POST", body });
      };
      expect((await send()).status).toBe(401);
      expect((await send("another")).status).toBe(401);
      expect((await send(KEY)).status).toBe(201);
      const stranger = { ca: bus.caPem, servername: "task-queue" };
      await expect(ask(`${url}/health`, { tls: stranger })).rejects.toThrow(/certificate/);
    }
  });

  needs("haproxy")("carries gRPC, to the next broker when one has gone", async () => {
    const codes: unknown[] = [];
    for (const gone of [undefined, cluster.nodes[0], cluster.nodes[1]]) {
      await gone?.kill("SIGTERM");
      const code = await waitFor("an answer over gRPC", async () => {
        const answer = await submitOverGrpc(KEY);
        return answer === grpc.status.UNAVAILABLE ? undefined : `${answer}`;
      });
      codes.push(code);
      gone?.start();
      await cluster.allReady();
    }
    expect(codes).toEqual(Array(3).fill(`${grpc.status.OK}`));
    expect(await submitOverGrpc("another")).toBe(grpc.status.UNAUTHENTICATED);
  });

  needs("haproxy")("goes to no broker whose certificate another authority has signed", async () => {
    const foreign = new Authority(dir, "foreign");
    const pair = doors.issue("task-queue");
    const wary = await HaProxy.launch(cluster, { ca: foreign.ca, pair });
    const down = ["rest_api_backend", "task_queue_backend"].map((backend) => {
      return new RegExp(`(backend|proxy) '?${backend}'? has no server available`);
    });
    await waitFor("no server", () => down.every((each) => each.test(wary.output)));
    const [through, ended] = wary.restUrls as [string, string];
    await expect(ask(`${through}/health`, wary.access)).rejects.toThrow();
    expect((await ask(`${ended}/health`, wary.access)).status).toBe(503);
    await wary.stop();
  });
});
