/** The gRPC server in front of a fake broker, and a client of the same proto, over a socket. */
import * as grpc from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import { expect, onTestFinished } from "vitest";
import { createGrpcServer, type GrpcServer } from "../../src/grpc/server.ts";
import type { UnderWayLimits } from "../../src/grpc/under-way.ts";
import type { CountRequest } from "../../src/observe/api-figures.ts";
import type { Access } from "../../src/operations/access.ts";
import type { Audit } from "../../src/operations/audit.ts";
import { protoPath } from "../../src/proto-path.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { SETTINGS } from "../rest/harness.ts";

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there.
export type Any = any;

const LOAD = {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
  objects: true,
};
const taskQueue = grpc.loadPackageDefinition(loadSync(protoPath("taskqueue.proto"), LOAD)) as Any;
const rpc = loadSync(protoPath("error-details.proto"), LOAD);

export interface Ended {
  readonly value: Any;
  /** Name of the status. */
  readonly code: string;
  readonly message: string;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Of `grpc-status-details-bin`, by the names of their types. */
  readonly details: Readonly<Record<string, Any>>;
}

export type Metadata = Readonly<Record<string, string>>;

interface Options {
  readonly access?: Access;
  readonly audit?: Audit;
  readonly connectionsPerAddressMax?: number;
  readonly countRequest?: CountRequest;
  readonly underWay?: UnderWayLimits;
}

export class Harness {
  readonly broker = new FakeBroker();
  readonly logged: string[] = [];
  readonly port: number;
  readonly server: GrpcServer;
  readonly client: Any;

  private constructor(broker: FakeBroker, server: GrpcServer, port: number, logged: string[]) {
    this.broker = broker;
    this.server = server;
    this.port = port;
    this.logged = logged;
    this.client = clientOf(port);
  }

  static async open(options: Options = {}): Promise<Harness> {
    const broker = new FakeBroker();
    broker.raise(3);
    const logged: string[] = [];
    const log = (_fields: object, message: string) => {
      logged.push(message);
    };
    const { maxPayloadBytes, queueDepthThreshold, retry } = SETTINGS;
    const server = createGrpcServer({
      broker,
      config: {
        api: { host: "127.0.0.1", grpcPort: 0 },
        broker: { maxPayloadBytes, queueDepthThreshold },
        retry,
      },
      logger: { info: log, warn: log, error: log },
      ...options,
    });
    const { port } = await server.listen();
    const harness = new Harness(broker, server, port, logged);
    onTestFinished(async () => {
      harness.client.close();
      await server.close();
    });
    return harness;
  }

  call(name: string, request: object = {}, metadata: Metadata = {}, options = {}): Promise<Ended> {
    return callOn(this.client, name, request, metadata, options);
  }

  async submit(task: object = { type: "mail" }): Promise<Any> {
    return (await this.call("SubmitTask", { task })).value.task;
  }
}

export function clientOf(port: number, options: grpc.ClientOptions = {}): Any {
  const credentials = grpc.credentials.createInsecure();
  return new taskQueue.taskqueue.v1.TaskQueue(`127.0.0.1:${port}`, credentials, options);
}

/** Resolves when its status has come, whatever it is. */
export function callOn(
  client: Any,
  name: string,
  request: object = {},
  metadata: Metadata = {},
  options = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    let value: Any;
    const call = client[name](request, metadataOf(metadata), options, (_: unknown, found: Any) => {
      value = found;
    });
    call.on("status", (status: grpc.StatusObject) => {
      // The value comes in the same turn, before or after.
      setImmediate(() => resolve({ value, ...endOf(status) }));
    });
  });
}

/** A stream of answers, read one by one. */
export function openStream(stream: Any) {
  const messages: Any[] = [];
  const ended = new Promise<Omit<Ended, "value">>((resolve) => {
    stream.on("status", (status: grpc.StatusObject) => resolve(endOf(status)));
  });
  stream.on("error", () => undefined);
  stream.on("data", (message: Any) => messages.push(message));
  return { stream, messages, ended };
}

export function metadataOf(values: Metadata): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(values)) metadata.set(key, value);
  return metadata;
}

export function endOf({ code, details, metadata }: grpc.StatusObject): Omit<Ended, "value"> {
  const trailers = metadata.getMap();
  const packed = trailers["grpc-status-details-bin"];
  return {
    code: grpc.status[code]!,
    message: details,
    trailers,
    details: packed === undefined ? {} : unpack(packed as Buffer),
  };
}

function unpack(bytes: Buffer): Record<string, Any> {
  const decode = (name: string, from: Buffer): Any => {
    return (rpc[`google.rpc.${name}`] as MessageTypeDefinition<object, object>).deserialize(from);
  };
  const entries = decode("Status", bytes).details.map((any: Any) => {
    const name = any.type_url.split(".").at(-1);
    return [name, decode(name, any.value)];
  });
  return Object.fromEntries(entries);
}

export function json(value: unknown): object {
  return { content_type: "application/json", data: Buffer.from(JSON.stringify(value)) };
}

/** Resolves when a number above 0 has stopped growing. */
export async function untilStill(look: () => number): Promise<void> {
  let before = 0;
  const isStill = (): boolean => {
    const now = look();
    const still = now > 0 && now === before;
    before = now;
    return still;
  };
  await expect.poll(isStill, { interval: 250, timeout: 15_000 }).toBe(true);
}
