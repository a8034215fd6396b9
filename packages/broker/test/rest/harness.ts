/** The REST application in front of a fake broker, without a socket. */
import type { FastifyInstance, InjectOptions } from "fastify";
import { parseTaskId } from "task-queue-protocol";
import type { CountRequest } from "../../src/observe/api-figures.ts";
import type { Metrics } from "../../src/observe/metrics.ts";
import { type Access, OPEN_ACCESS } from "../../src/operations/access.ts";
import type { Audit } from "../../src/operations/audit.ts";
import { PLAIN_BACKOFF } from "../../src/queue/index.ts";
import { buildRestApp } from "../../src/rest/app.ts";
import { FakeBroker } from "../operations/fake-broker.ts";

export const SETTINGS = {
  maxPayloadBytes: 64 * 1024,
  queueDepthThreshold: 100,
  retry: {
    ...PLAIN_BACKOFF,
    maxRetries: 3,
    initialDelayMs: 5000,
    multiplier: 2,
    maxDelayMs: 3_600_000,
    jitter: 0.1,
  },
};

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there.
  readonly body: any;
}

export class Harness {
  readonly broker = new FakeBroker();
  readonly closing = new AbortController();
  readonly logged: { fields: object; message: string }[] = [];
  readonly debugged: { fields: object; message: string }[] = [];
  readonly app: FastifyInstance;

  constructor(
    options: {
      readonly access?: Access;
      readonly audit?: Audit;
      readonly metrics?: Metrics;
      readonly countRequest?: CountRequest;
      readonly warning?: () => string | undefined;
      readonly hosts?: readonly string[];
    } = {},
  ) {
    const log = (fields: object, message: string) => {
      this.logged.push({ fields, message });
    };
    const debug = (fields: object, message: string) => {
      this.debugged.push({ fields, message });
    };
    this.app = buildRestApp({
      broker: this.broker,
      access: OPEN_ACCESS,
      settings: SETTINGS,
      logger: { debug, info: log, warn: log, error: log },
      closing: this.closing.signal,
      ...options,
    });
  }

  async send(
    method: NonNullable<InjectOptions["method"]>,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answered> {
    const payload = typeof body === "string" ? body : JSON.stringify(body);
    const type: Record<string, string> =
      body === undefined ? {} : { "content-type": "application/json" };
    const response = await this.app.inject({
      method,
      url,
      headers: { ...type, ...headers },
      ...(payload === undefined ? {} : { payload }),
    });
    const text = response.body;
    const json = /json\b/.test(String(response.headers["content-type"]));
    return {
      status: response.statusCode,
      headers: response.headers,
      body: json && text !== "" ? JSON.parse(text) : text,
    };
  }

  get(url: string, headers: Record<string, string> = {}): Promise<Answered> {
    return this.send("GET", url, undefined, headers);
  }

  post(url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answered> {
    return this.send("POST", url, body, headers);
  }

  /** Submits a task and lets a worker fail it for good. */
  async deadTask(type = "mail"): Promise<string> {
    const { id } = (await this.post("/tasks", { type })).body;
    this.broker.fail(parseTaskId(id)!, this.broker.lease(type), "no such mailbox");
    return id;
  }

  async completedTask(type = "mail", result: unknown = { ok: true }): Promise<string> {
    const { id } = (await this.post("/tasks", { type })).body;
    this.broker.complete(parseTaskId(id)!, this.broker.lease(type), result);
    return id;
  }
}
