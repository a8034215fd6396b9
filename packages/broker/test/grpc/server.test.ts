/** What concerns every call: keys, sizes, deadlines, health, reflection, and the end of it all. */

import { connect as connectHttp2 } from "node:http2";
import type { AddressInfo } from "node:net";
import { connect as connectTcp, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import * as health from "grpc-health-check";
import { TqError } from "task-queue-protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { VERBS } from "../../src/grpc/gate.ts";
import { INCOMING_PER_CONNECTION_MAX, messageBytesMax } from "../../src/grpc/limits.ts";
import { createGrpcServer } from "../../src/grpc/server.ts";
import type { Access } from "../../src/operations/access.ts";
import { PERMISSION_OF, type Permission, type Verb } from "../../src/operations/permissions.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { SETTINGS } from "../rest/harness.ts";
import { type Any, callOn, clientOf, endOf, Harness, metadataOf, openStream } from "./harness.ts";

const REFLECTION_PROTO = "@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto";
const READ = { authorization: "Bearer reader" };

const SUBMIT_HEADERS = {
  ":method": "POST",
  ":path": "/taskqueue.v1.TaskQueue/SubmitTask",
  "content-type": "application/grpc",
  te: "trailers",
};

/** Keys by what they permit. */
function accessOf(keys: Readonly<Record<string, readonly Permission[]>>) {
  const asked: { key: string | undefined; address: string }[] = [];
  const access: Access = {
    identify: async (key, address) => {
      asked.push({ key, address });
      const permissions = keys[key ?? ""];
      if (permissions === undefined) throw new TqError("unauthenticated", "no valid key");
      const demand = (verb: Verb): void => {
        if (permissions.includes(PERMISSION_OF[verb])) return;
        throw new TqError("permission_denied", `this key does not permit ${verb}`);
      };
      return { name: key!, demand, spend() {} };
    },
  };
  return { access, asked };
}

test.each(["GET", "HEAD", "PUT"])(
  "%s is answered 405, and the connection goes on",
  async (verb) => {
    const h = await Harness.open();
    const session = connectHttp2(`http://127.0.0.1:${h.port}`);
    onTestFinished(() => session.destroy());
    const status = (method: string, isWhole: boolean): Promise<unknown> => {
      const headers = { ...SUBMIT_HEADERS, ":method": method };
      const stream = session.request(headers, { endStream: isWhole });
      return new Promise((resolve, reject) => {
        let answer: unknown;
        stream.on("response", (found) => {
          answer = found[":status"];
        });
        stream.on("close", () => resolve(answer)).on("error", reject);
        stream.resume();
      });
    };
    expect(await status(verb, true)).toBe(405);
    // Nor is one kept that does not end.
    expect(await status(verb, false)).toBe(405);
    expect(await status("POST", true)).toBe(200);
  },
);

describe("keys", () => {
  const { access, asked } = accessOf({ reader: ["read_tasks"], other: ["process_tasks"] });

  test.each([
    [{}, undefined],
    [{ authorization: "Bearer wrong" }, "wrong"],
    [{ authorization: "bearer  wrong" }, "wrong"],
    [{ authorization: "Basic cmVhZGVy" }, ""],
    [{ authorization: "Bearer" }, ""],
  ])("%j is refused", async (metadata, key) => {
    const h = await Harness.open({ access });
    const { code, trailers } = await h.call("ListQueues", {}, metadata as Record<string, string>);
    expect(code).toBe("UNAUTHENTICATED");
    expect(asked.at(-1)).toEqual({ key, address: "127.0.0.1" });
    // Strangers are told nothing of the cluster.
    expect(trailers).not.toHaveProperty("x-tq-node");
  });

  test.each(Object.entries<Verb>(VERBS))("%s needs the permission for %s", async (name, verb) => {
    const h = await Harness.open({ access });
    const end = async (metadata: Record<string, string>): Promise<string> => {
      const isStream = name === "SubmitStream" || name === "WatchTasks";
      if (!isStream) return (await h.call(name, {}, metadata)).code;
      const given = metadataOf(metadata);
      const call = name === "WatchTasks" ? h.client[name]({}, given) : h.client[name](given);
      const { ended, stream, messages } = openStream(call);
      if (name === "SubmitStream") stream.end();
      void expect
        .poll(() => messages.length)
        .toBeGreaterThan(0)
        .then(
          () => stream.cancel(),
          () => 0,
        );
      return (await ended).code;
    };
    expect(await end({ authorization: "Bearer other" })).toBe("PERMISSION_DENIED");
    const denied = (await end(READ)) === "PERMISSION_DENIED";
    expect(denied).toBe(PERMISSION_OF[verb] !== "read_tasks");
  });

  test("a stranger is refused before his message has come", async () => {
    const h = await Harness.open({ access });
    const session = connectHttp2(`http://127.0.0.1:${h.port}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ...SUBMIT_HEADERS });
    // A message of a megabyte is announced, and never sent.
    stream.write(Buffer.from([0, 0, 0x10, 0, 0]));
    const headers = await new Promise<Any>((resolve) => stream.once("response", resolve));
    expect(headers["grpc-status"]).toBe(String(grpc.status.UNAUTHENTICATED));
  });

  test("health is for everybody, reflection for whoever has a key", async () => {
    const h = await Harness.open({ access });
    expect((await healthOf(h.port).check()).status).toBe("SERVING");
    expect((await reflect(h.port)).code).toBe("UNAUTHENTICATED");
    expect((await reflect(h.port, { authorization: "Bearer other" })).code).toBe("OK");
  });
});

describe("messages", () => {
  test("one that is too large is refused", async () => {
    const h = await Harness.open();
    const data = Buffer.alloc(messageBytesMax(SETTINGS.maxPayloadBytes));
    const { code } = await h.call("SubmitTask", { task: { type: "t", payload: { data } } });
    expect(code).toBe("RESOURCE_EXHAUSTED");
    expect(h.broker.commands).toEqual([]);
  });

  test("of those that never end only so many are kept, and other connections go on", async () => {
    const h = await Harness.open();
    const session = connectHttp2(`http://127.0.0.1:${h.port}`);
    onTestFinished(() => session.destroy());
    const streams = Array.from({ length: 2 * INCOMING_PER_CONNECTION_MAX }, () => {
      const stream = session.request({ ...SUBMIT_HEADERS });
      stream.on("error", () => undefined);
      // A message of a megabyte is announced, and all but its end is sent.
      stream.write(Buffer.concat([Buffer.from([0, 0, 0x10, 0, 0]), Buffer.alloc(1_000_000)]));
      return stream;
    });
    const taken = () => streams.filter((stream) => stream.writableLength === 0).length;
    await expect.poll(taken, { timeout: 10_000 }).toBe(INCOMING_PER_CONNECTION_MAX);
    expect((await h.call("ListQueues")).code).toBe("OK");
    expect(taken()).toBe(INCOMING_PER_CONNECTION_MAX);
    streams.find((stream) => stream.writableLength === 0)?.close();
    await expect.poll(taken, { timeout: 10_000 }).toBe(INCOMING_PER_CONNECTION_MAX + 1);
  });

  test("one that unpacks to too much is refused", async () => {
    const h = await Harness.open();
    const client = clientOf(h.port, { "grpc.default_compression_algorithm": 2 });
    onTestFinished(() => client.close());
    const data = Buffer.alloc(messageBytesMax(SETTINGS.maxPayloadBytes));
    const { code } = await callOn(client, "SubmitTask", { task: { type: "t", payload: { data } } });
    expect(code).toBe("RESOURCE_EXHAUSTED");
  });

  test("what this version does not know is ignored, as everywhere in protobuf", async () => {
    const h = await Harness.open();
    // NewTask { type: "t"; and a field 999 }, inside SubmitTaskRequest.
    const task = Buffer.from([0x12, 1, 0x74, 0xba, 0x3e, 1, 0x21]);
    const bytes = Buffer.concat([Buffer.from([0x0a, task.length]), task]);
    expect((await sendRaw(h.port, "SubmitTask", bytes)).code).toBe("OK");
    expect(h.broker.commands).toMatchObject([{ type: "submit", content: { type: "t" } }]);
  });

  test("bytes that are no message are refused", async () => {
    const h = await Harness.open();
    expect((await sendRaw(h.port, "SubmitTask", Buffer.from([0xff, 0xff]))).code).toBe(
      "INVALID_ARGUMENT",
    );
    expect((await sendRaw(h.port, "NoSuchCall", Buffer.alloc(0))).code).toBe("UNIMPLEMENTED");
  });
});

describe("time", () => {
  test("a deadline ends a wait", async () => {
    const h = await Harness.open();
    const { id } = await h.submit();
    const request = { id, wait: { seconds: 40 } };
    const { code } = await h.call("GetTask", request, {}, { deadline: Date.now() + 100 });
    expect(code).toBe("DEADLINE_EXCEEDED");
  });

  test.each(["cancel", "close"])("%s ends a wait", async (way) => {
    const h = await Harness.open();
    const { id } = await h.submit();
    const signals: AbortSignal[] = [];
    const wait = h.broker.waitFinished.bind(h.broker);
    h.broker.waitFinished = (...given) => {
      signals.push(given[2]);
      return wait(...given);
    };
    let found: Any;
    const request = { id, wait: { seconds: 40 } };
    const call = h.client.GetTask(request, (_: unknown, value: Any) => {
      found = value;
    });
    await expect.poll(() => signals.length).toBe(1);
    if (way === "cancel") call.cancel();
    else await h.server.close();
    await expect.poll(() => signals[0]!.aborted).toBe(true);
    // Who waits while the broker stops is told how the task stands.
    if (way === "close") await expect.poll(() => found?.state).toBe("TASK_STATE_PENDING");
  });

  test("a call in hand is answered while the server closes, and then it takes no more", async () => {
    const h = await Harness.open();
    const request = h.broker.request.bind(h.broker);
    const held: (() => void)[] = [];
    h.broker.request = (command, done) => void held.push(() => request(command, done));
    const submitted = h.call("SubmitTask", { task: { type: "t" } });
    await expect.poll(() => held.length).toBe(1);
    const closed = h.server.close();
    held[0]!();
    expect((await submitted).code).toBe("OK");
    await closed;
    expect((await h.call("ListQueues")).code).toBe("UNAVAILABLE");
  });
});

describe("health", () => {
  test("of the server, of its service, and of no other", async () => {
    const h = await Harness.open();
    const { check } = healthOf(h.port);
    expect((await check("")).status).toBe("SERVING");
    expect((await check("taskqueue.v1.TaskQueue")).status).toBe("SERVING");
    await expect(check("raft.v1.Raft")).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
  });

  test("a watch is told of each change, and ends with the server", async () => {
    const h = await Harness.open();
    const { messages, ended } = openStream(healthOf(h.port).client.Watch({ service: "" }));
    const said = () => messages.map((message) => message.status);
    await expect.poll(said).toEqual(["SERVING"]);
    h.broker.state = { ready: false, reason: "catching up" };
    await expect.poll(said).toEqual(["SERVING", "NOT_SERVING"]);
    h.broker.state = {};
    await expect.poll(said).toEqual(["SERVING", "NOT_SERVING", "SERVING"]);
    h.broker.state = { draining: true };
    await expect.poll(said).toHaveLength(4);
    const closed = h.server.close();
    expect((await ended).code).toBe("UNAVAILABLE");
    await closed;
  });
});

test("reflection names the service and tells of its messages", async () => {
  const h = await Harness.open();
  const { code, value } = await reflect(h.port);
  expect(code).toBe("OK");
  expect(value.list_services_response.service).toContainEqual({ name: "taskqueue.v1.TaskQueue" });
});

test("a port that is taken is named, with the setting that moves it", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void holder.close());
  const { port } = holder.address() as AddressInfo;
  const server = createGrpcServer({
    broker: new FakeBroker(),
    config: { api: { host: "127.0.0.1", grpcPort: port }, broker: SETTINGS, retry: SETTINGS.retry },
    logger: { info() {}, warn() {}, error() {} },
  });
  await expect(server.listen()).rejects.toThrow(
    `gRPC: port ${port} on 127.0.0.1 is in use; end what listens there, ` +
      "or set api.grpc_port (--grpc-port, TQ_API__GRPC_PORT)",
  );
  await server.close();
});

test("what is no HTTP/2 ends its connection, and nothing else", async () => {
  const h = await Harness.open();
  const socket = connectTcp(h.port, "127.0.0.1");
  socket.end("GET / HTTP/1.1\r\n\r\n");
  await new Promise<void>((resolve) =>
    socket
      .resume()
      .on("error", () => 0)
      .once("close", resolve),
  );
  expect((await h.call("ListQueues")).code).toBe("OK");
});

function healthOf(port: number) {
  const loaded = grpc.loadPackageDefinition(
    loadSync(health.protoPath, { keepCase: true, enums: String, defaults: true }),
  ) as Any;
  const credentials = grpc.credentials.createInsecure();
  const client = new loaded.grpc.health.v1.Health(`127.0.0.1:${port}`, credentials);
  onTestFinished(() => client.close());
  const check = (service = ""): Promise<Any> => {
    return new Promise((resolve, reject) => {
      client.Check({ service }, (error: Error | null, found: Any) => {
        if (error === null) resolve(found);
        else reject(error);
      });
    });
  };
  return { client, check };
}

async function reflect(port: number, metadata: Record<string, string> = {}) {
  const path = fileURLToPath(import.meta.resolve(REFLECTION_PROTO));
  const loaded = grpc.loadPackageDefinition(loadSync(path, { keepCase: true, defaults: true }));
  const { ServerReflection } = (loaded as Any).grpc.reflection.v1;
  const client = new ServerReflection(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  onTestFinished(() => client.close());
  const { stream, messages, ended } = openStream(client.ServerReflectionInfo(metadataOf(metadata)));
  stream.write({ list_services: "" });
  stream.end();
  const { code } = await ended;
  return { code, value: messages[0] };
}

/** A message as it is. */
function sendRaw(port: number, name: string, bytes: Buffer) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  onTestFinished(() => client.close());
  return new Promise<ReturnType<typeof endOf>>((resolve) => {
    const same = (value: Buffer) => value;
    const path = `/taskqueue.v1.TaskQueue/${name}`;
    const call = client.makeUnaryRequest(path, same, same, bytes, () => undefined);
    call.on("status", (status) => resolve(endOf(status)));
  });
}

test("one address leaves room for others, and has its own again when it leaves", async () => {
  const h = await Harness.open({ connectionsPerAddressMax: 2 });
  const dial = (localAddress: string) => {
    const socket = connectTcp({ port: h.port, host: "127.0.0.1", localAddress });
    const seen = { socket, settings: false, ended: false };
    socket.on("error", () => {});
    socket.once("data", () => {
      seen.settings = true;
    });
    socket.once("close", () => {
      seen.ended = true;
    });
    onTestFinished(() => void socket.destroy());
    return seen;
  };
  const crowd = [dial("127.0.0.2"), dial("127.0.0.2")];
  for (const one of crowd) await expect.poll(() => one.settings).toBe(true);
  const late = dial("127.0.0.2");
  await expect.poll(() => late.ended).toBe(true);
  expect(late.settings).toBe(false);
  expect((await h.call("ListQueues")).code).toBe("OK");
  crowd[0]!.socket.destroy();
  await expect
    .poll(async () => {
      const next = dial("127.0.0.2");
      await expect.poll(() => next.settings || next.ended).toBe(true);
      return next.settings;
    })
    .toBe(true);
});
