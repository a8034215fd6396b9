/** Worker ports over a fake cluster, on loopback, closed after each test. */
import { type SubmitTask, TASK_STATE_NAMES } from "task-queue-protocol";
import { uuidv7obj } from "uuidv7";
import { onTestFinished } from "vitest";
import type { Access } from "../../src/operations/access.ts";
import type { Audit } from "../../src/operations/audit.ts";
import { PLAIN_BACKOFF } from "../../src/queue/index.ts";
import type { WorkerPortLimits } from "../../src/workers/limits.ts";
import { createWorkerServer, type WorkerServer } from "../../src/workers/server.ts";
import { FakeCluster, type FakeNode } from "./fake-cluster.ts";

export interface Line {
  readonly level: string;
  readonly text: string;
}

export interface TestPort {
  readonly port: number;
  readonly server: WorkerServer;
  readonly node: FakeNode;
  readonly lines: Line[];
}

export interface PortOptions {
  readonly access?: Access;
  readonly audit?: Audit;
  readonly limits?: Partial<WorkerPortLimits>;
  readonly maxConnections?: number;
  readonly maxConnectionsPerAddress?: number;
  readonly maxPayloadBytes?: number;
  readonly port?: number;
}

export const RETRY = {
  ...PLAIN_BACKOFF,
  maxRetries: 3,
  initialDelayMs: 5_000,
  multiplier: 2,
  maxDelayMs: 3_600_000,
  jitter: 0.1,
};

export async function openPort(node: FakeNode, options: PortOptions = {}): Promise<TestPort> {
  const lines: Line[] = [];
  const log = (level: string) => (_fields: object, text: string) => lines.push({ level, text });
  const server = createWorkerServer({
    broker: node,
    access: options.access,
    audit: options.audit,
    host: "127.0.0.1",
    port: options.port ?? 0,
    version: "9.9.9",
    submit: {
      maxPayloadBytes: options.maxPayloadBytes ?? 1024 * 1024,
      retry: RETRY,
      queueDepthThreshold: 0,
    },
    leaseMs: 30_000,
    heartbeatMs: 10_000,
    maxConnections: options.maxConnections ?? 100,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? 100,
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    limits: { closeMs: 50, ...options.limits },
  });
  const { port } = await server.listen();
  node.address = `127.0.0.1:${port}`;
  onTestFinished(() => server.close());
  return { port, server, node, lines };
}

/** One node that leads, with its port. */
export async function openOne(
  options: PortOptions = {},
): Promise<TestPort & { cluster: FakeCluster }> {
  const cluster = new FakeCluster();
  return { cluster, ...(await openPort(cluster.nodes[0]!, options)) };
}

export function someTask(type = "t", payload: unknown = { n: 1 }): SubmitTask {
  return {
    id: Uint8Array.from(uuidv7obj().bytes),
    content: {
      type,
      queue: "default",
      priority: "normal",
      payload: Buffer.from(JSON.stringify(payload)),
      payloadType: "json",
      delayMs: 0,
      runAt: 0,
      timeoutMs: 0,
      retry: {},
      idempotencyKey: "",
      tags: [],
      metadata: "",
      traceparent: "",
    },
  };
}

export const PENDING = TASK_STATE_NAMES.indexOf("pending");

/** Resolves once the condition holds; the test's own timeout is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
