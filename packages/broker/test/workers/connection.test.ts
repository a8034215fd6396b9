/**
 * The worker port against peers that break every rule: each is told or cut off, and nobody else
 * notices.
 */
import { createServer } from "node:net";
import { formatTaskId, type Hello, TqError } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import type { Access } from "../../src/operations/access.ts";
import { createWorkerServer } from "../../src/workers/server.ts";
import { FakeCluster } from "./fake-cluster.ts";
import { openOne, RETRY, someTask, until } from "./harness.ts";
import { bytesOf, hello, RawPeer } from "./raw-peer.ts";

describe("handshake", () => {
  test("hello is answered by a welcome with the limits", async () => {
    const { port } = await openOne();
    const peer = await RawPeer.dial(port);
    peer.send(77, hello("client"));
    expect(await peer.take("welcome")).toEqual({
      kind: "welcome",
      requestId: 77,
      protocolVersion: 1,
      nodeId: "n1",
      clusterId: "c0ffee",
      version: "9.9.9",
      leader: `127.0.0.1:${port}`,
      maxFrameBytes: 1024 * 1024 + 64 * 1024,
      maxPayloadBytes: 1024 * 1024,
      leaseMs: 30_000,
      heartbeatMs: 10_000,
    });
  });

  test("an unknown protocol version is refused with the range that is spoken", async () => {
    const { port, lines } = await openOne();
    const peer = await RawPeer.dial(port);
    const bytes = bytesOf(1, hello("client")).slice();
    bytes.set([7, 9], 11);
    peer.socket.write(bytes);
    const error = await peer.take("error");
    expect(error).toMatchObject({ requestId: 0, code: "invalid_request" });
    expect(error.message).toBe(
      "no common protocol version: this broker speaks versions 1 to 2, the other side versions 7 to 9",
    );
    await peer.closed;
    expect(lines).toHaveLength(1);
  });

  test.each([
    ["random bytes", Buffer.from("0000000a7fffffffff0102030405", "hex"), /no message type 127/],
    ["a frame without room for a header", Buffer.from("00000001", "hex"), /no room for its header/],
    ["an enormous length", Buffer.from("7fffffff", "hex"), /at most 65536 are accepted/],
    ["the greatest length", Buffer.from("ffffffff", "hex"), /at most 65536 are accepted/],
    [
      "another message first",
      Buffer.from(bytesOf(1, { kind: "ping" })),
      /first message is a hello/,
    ],
  ])("%s gets one error, one log line, and the end", async (_name, bytes, message) => {
    const { port, lines, server } = await openOne();
    const peer = await RawPeer.dial(port);
    peer.socket.write(bytes);
    expect(await peer.take("error")).toMatchObject({ code: "invalid_request" });
    await peer.closed;
    expect(lines).toEqual([{ level: "warn", text: expect.stringMatching(message) }]);
    await until(() => server.connections === 0);
  });

  test("a browser is told where it is", async () => {
    const { port, lines } = await openOne();
    const peer = await RawPeer.dial(port, false);
    peer.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await peer.closed;
    expect(peer.text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(peer.text).toContain("api.rest_port");
    expect(lines[0]?.text).toContain("an HTTP request came to the worker port");
  });

  test("what a stranger calls itself takes no more than its place in a line", async () => {
    const access: Access = {
      identify: async () => {
        throw new TqError("unauthenticated", "no");
      },
    };
    const { port, lines } = await openOne({ access });
    const peer = await RawPeer.dial(port);
    const name = `x\n\x1b[31m${"y".repeat(60_000)}`;
    peer.send(1, { ...(hello("client") as Hello), name });
    await peer.closed;
    expect(lines).toHaveLength(1);
    expect(lines[0]!.text).toContain('("x\\n\\u001b[31my');
    expect(lines[0]!.text.length).toBeLessThan(1_000);
  });

  test("a TLS handshake is named in the log", async () => {
    const { port, lines } = await openOne();
    const peer = await RawPeer.dial(port);
    peer.socket.write(Buffer.from("16030100c8010000c40303", "hex"));
    await peer.closed;
    expect(lines[0]?.text).toContain("a TLS handshake");
  });

  test("a silent connection is cut off, and so is one that begins a frame and stops", async () => {
    const { port, lines } = await openOne({ limits: { helloMs: 20, frameMs: 40 } });
    const silent = await RawPeer.dial(port);
    await silent.closed;
    expect(lines[0]?.text).toContain("no hello within 20 ms");
    const slow = await RawPeer.greet(port);
    slow.socket.write(Buffer.from("000001", "hex"));
    await slow.closed;
    expect(lines[1]?.text).toContain("a frame took longer than 40 ms");
  });

  test("a connection on which nothing comes is cut off", async () => {
    const { port, lines } = await openOne({ limits: { silenceMs: 20 } });
    await (await RawPeer.greet(port)).closed;
    expect(lines[0]?.text).toContain('("raw"): silent for 20 ms');
  });

  test("those who say nothing give way to whoever comes", async () => {
    const { port } = await openOne({ maxConnections: 2 });
    const silent = [await RawPeer.dial(port), await RawPeer.dial(port)];
    const first = await RawPeer.greet(port);
    await silent[0]!.closed;
    const second = await RawPeer.greet(port);
    await silent[1]!.closed;
    const third = await RawPeer.dial(port);
    expect(await third.take("error")).toMatchObject({ code: "overloaded" });
    expect([first.isClosed, second.isClosed]).toEqual([false, false]);
  });

  test("one connection too many is told so, and the others live on", async () => {
    const { port } = await openOne({ maxConnections: 1 });
    const first = await RawPeer.greet(port);
    const second = await RawPeer.dial(port);
    expect(await second.take("error")).toMatchObject({
      code: "overloaded",
      retryable: true,
      message: "1 connections are open (broker.max_connections)",
    });
    first.send(2, { kind: "ping" });
    expect((await first.take("pong")).requestId).toBe(2);
  });
});

describe("after hello", () => {
  test("a frame as large as a payload may be is read; one byte more ends the connection", async () => {
    const { port, lines } = await openOne({ maxPayloadBytes: 100_000 });
    const peer = await RawPeer.greet(port);
    const task = someTask("t", "x".repeat(99_998));
    expect(task.content.payload.length).toBe(100_000);
    peer.send(2, { kind: "submit", tasks: [task] });
    expect((await peer.take("submitted")).results[0]).toMatchObject({ ok: true });
    const header = Buffer.alloc(4);
    header.writeUInt32BE(100_000 + 64 * 1024 + 1);
    peer.socket.write(header);
    await peer.closed;
    expect(lines[0]?.text).toMatch(/at most 165536 are accepted/);
  });

  test("a payload beyond the limit is refused by itself, and its neighbours are not", async () => {
    const { port } = await openOne({ maxPayloadBytes: 1_000 });
    const peer = await RawPeer.greet(port);
    const tasks = [someTask(), someTask("t", "x".repeat(2_000)), someTask()];
    peer.send(2, { kind: "submit", tasks });
    const { results } = await peer.take("submitted");
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
    expect(results[1]).toMatchObject({ code: "too_large", field: "tasks[1].payload" });
  });

  test.each([
    ["a message that only a broker sends", bytesOf(5, { kind: "sessionEnded" })],
    ["a worker's verb from a client", bytesOf(5, { kind: "release", items: [] })],
    ["a heartbeat before a register", bytesOf(5, { kind: "heartbeat" })],
    ["a second hello", bytesOf(5, hello("client"))],
  ])("%s ends the connection", async (_name, bytes) => {
    const { port } = await openOne();
    const peer = await RawPeer.greet(port);
    peer.socket.write(bytes);
    expect(await peer.take("error")).toMatchObject({ code: "invalid_request", requestId: 0 });
    await peer.closed;
  });

  test("whoever does not read is cut off, and others do not wait for it", async () => {
    const { port, cluster, lines } = await openOne({ limits: { outboundBytes: 3_000_000 } });
    const other = await RawPeer.greet(port);
    other.send(2, { kind: "submit", tasks: [someTask("t", "x".repeat(900_000))] });
    const { results } = await other.take("submitted");
    expect(results[0]?.ok).toBe(true);
    const id = cluster.machine.listLive({}, undefined, 1, 10).tasks[0]!.id;
    const text = Buffer.from(id).toString("hex");
    const uuid = text.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    const deaf = await RawPeer.greet(port);
    deaf.socket.pause();
    const body = Buffer.from(JSON.stringify({ id: uuid }));
    for (let i = 0; i < 40; i++)
      deaf.send(10 + i, { kind: "call", verb: "get", minIndex: 0, body });
    await until(() => lines.length > 0);
    expect(lines[0]?.text).toContain("it does not read");
    other.send(3, { kind: "call", verb: "get", minIndex: 0, body });
    expect((await other.take("answer")).requestId).toBe(3);
  });

  test("too many calls at once are refused one by one", async () => {
    const { port } = await openOne({ limits: { openCalls: 2 } });
    const peer = await RawPeer.greet(port);
    const task = someTask();
    peer.send(2, { kind: "submit", tasks: [task] });
    await peer.take("submitted");
    const uuid = Buffer.from(task.id).toString("hex");
    const id = uuid.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    const body = Buffer.from(JSON.stringify({ id, timeout_ms: 40_000 }));
    for (let i = 0; i < 3; i++)
      peer.send(10 + i, { kind: "call", verb: "wait", minIndex: 0, body });
    expect(await peer.take("error")).toMatchObject({ code: "overloaded", requestId: 12 });
    peer.send(20, { kind: "ping" });
    await peer.take("pong");
  });

  test("with much unanswered the connection is read no further, until answers have gone out", async () => {
    const { port, node } = await openOne({ limits: { openItems: 2 } });
    const held: (() => void)[] = [];
    const { request } = node;
    node.request = (command, done) => {
      held.push(() => request.call(node, command, done));
    };
    const peer = await RawPeer.greet(port);
    for (let i = 0; i < 6; i++) peer.send(10 + i, { kind: "submit", tasks: [someTask()] });
    await until(() => held.length === 3);
    peer.send(30, { kind: "ping" });
    // Everything before the ping has been written; what is held back does not grow.
    const other = await RawPeer.greet(port);
    other.send(31, { kind: "ping" });
    await other.take("pong");
    expect(held).toHaveLength(3);
    for (let done = 0; done < 6; done++) {
      await until(() => held.length > 0);
      held.shift()!();
    }
    for (let i = 0; i < 6; i++) expect((await peer.take("submitted")).requestId).toBe(10 + i);
    expect((await peer.take("pong")).requestId).toBe(30);
  });

  test("requests are pipelined: a later one may be answered first", async () => {
    const { port } = await openOne();
    const peer = await RawPeer.greet(port);
    const task = someTask();
    peer.send(2, { kind: "submit", tasks: [task] });
    await peer.take("submitted");
    const id = Buffer.from(task.id)
      .toString("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    const wait = Buffer.from(JSON.stringify({ id, timeout_ms: 40_000 }));
    peer.send(3, { kind: "call", verb: "wait", minIndex: 0, body: wait });
    peer.send(4, {
      kind: "call",
      verb: "cancel",
      minIndex: 0,
      body: Buffer.from(JSON.stringify({ id })),
    });
    const first = await peer.take("answer");
    const second = await peer.take("answer");
    expect([first.requestId, second.requestId].sort()).toEqual([3, 4]);
    const bodies = [first, second].map(({ body }) => JSON.parse(Buffer.from(body).toString()));
    expect(bodies.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  });

  test("answers tell the log index, and a read waits for the one it names", async () => {
    const { port, node, cluster } = await openOne();
    const peer = await RawPeer.greet(port);
    peer.send(2, { kind: "submit", tasks: [someTask(), someTask()] });
    expect(await peer.take("submitted")).toMatchObject({ index: 2 });
    peer.send(3, { kind: "submit", tasks: [someTask("no spaces")] });
    expect(await peer.take("submitted")).toMatchObject({ index: 0 });
    const body = Buffer.from('{"consistency":"stale"}');
    peer.send(4, { kind: "call", verb: "queues", minIndex: 2, body });
    expect(await peer.take("answer")).toMatchObject({ requestId: 4, index: 2 });
    expect(node.barriers).toEqual([{ consistency: "stale", minIndex: 2 }]);
    expect(cluster.index).toBe(2);
  });

  test("a broker that closes ends waits with the task as it stands", async () => {
    const { port, server } = await openOne({ limits: { closeMs: 10_000 } });
    const peer = await RawPeer.greet(port);
    const task = someTask();
    peer.send(2, { kind: "submit", tasks: [task] });
    await peer.take("submitted");
    const id = formatTaskId(task.id);
    const body = Buffer.from(JSON.stringify({ id, timeout_ms: 40_000 }));
    peer.send(3, { kind: "call", verb: "wait", minIndex: 0, body });
    peer.send(4, { kind: "ping" });
    await peer.take("pong");
    const closed = server.close();
    await peer.take("terminate");
    const answer = await peer.take("answer");
    expect(JSON.parse(Buffer.from(answer.body).toString())).toMatchObject({ id, state: "pending" });
    peer.socket.destroy();
    await closed;
  });

  test.each([
    ["a verb that does not exist", "frobnicate", "{}", "invalid_request"],
    ["a body that is not JSON", "get", "{", "invalid_request"],
    ["a body that is not an object", "get", "[]", "invalid_request"],
    ["an unknown parameter", "queues", '{"nope":1}', "unknown_field"],
    [
      "a task that is not there",
      "get",
      '{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}',
      "not_found",
    ],
  ])("a call with %s is answered by an error", async (_name, verb, body, code) => {
    const { port } = await openOne();
    const peer = await RawPeer.greet(port);
    peer.send(9, { kind: "call", verb, minIndex: 0, body: Buffer.from(body) });
    expect(await peer.take("error")).toMatchObject({ requestId: 9, code });
    peer.send(10, { kind: "ping" });
    await peer.take("pong");
  });
});

describe("submit", () => {
  test("one result for each task, in order; a copy is a duplicate, other content is refused", async () => {
    const { port, node } = await openOne();
    const peer = await RawPeer.greet(port);
    const [a, b] = [someTask(), someTask("bad type")];
    const other = { id: a!.id, content: { ...a!.content, type: "other" } };
    peer.send(5, { kind: "submit", tasks: [a!, b!, a!, other] });
    const { results, requestId } = await peer.take("submitted");
    expect(requestId).toBe(5);
    expect(results).toMatchObject([
      { ok: true, duplicate: false },
      { ok: false, code: "invalid_request", field: "tasks[1].type" },
      { ok: true, duplicate: true },
      { ok: false, code: "idempotency_mismatch" },
    ]);
    expect(node.commands).toHaveLength(3);
    expect(node.commands[0]).toMatchObject({ type: "submit", retry: RETRY });
  });

  test("no leader and no answer are told apart", async () => {
    const { port, node, cluster } = await openOne();
    cluster.elect(undefined);
    const peer = await RawPeer.greet(port);
    peer.send(2, { kind: "submit", tasks: [someTask()] });
    expect((await peer.take("submitted")).results[0]).toMatchObject({ code: "no_leader" });
    node.fate = () => ({ kind: "unknown", message: "no answer" });
    peer.send(3, { kind: "submit", tasks: [someTask()] });
    expect((await peer.take("submitted")).results[0]).toMatchObject({ code: "outcome_unknown" });
  });

  test("an empty frame has an empty answer", async () => {
    const { port } = await openOne();
    const peer = await RawPeer.greet(port);
    peer.send(2, { kind: "submit", tasks: [] });
    expect((await peer.take("submitted")).results).toEqual([]);
  });
});

describe("the server", () => {
  test("a port in use is named with the setting that moves it", async () => {
    const { port } = await openOne();
    const second = createWorkerServer({
      broker: new FakeCluster().nodes[0]!,
      host: "127.0.0.1",
      port,
      version: "1",
      submit: { maxPayloadBytes: 1, retry: RETRY, queueDepthThreshold: 0 },
      leaseMs: 1,
      heartbeatMs: 1,
      maxConnections: 1,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    await expect(second.listen()).rejects.toThrow(
      `the worker port 127.0.0.1:${port} is in use by another program; broker.port moves it`,
    );
  });

  test("closing sends everybody elsewhere, answers what is open, and ends", async () => {
    const { port, server, node } = await openOne({ limits: { closeMs: 5_000 } });
    const peer = await RawPeer.greet(port);
    let answer = (): void => {};
    const { request } = node;
    node.request = (command, done) => {
      answer = () => request.call(node, command, done);
    };
    peer.send(2, { kind: "submit", tasks: [someTask()] });
    peer.send(3, { kind: "ping" });
    await peer.take("pong");
    const closed = server.close();
    expect(await peer.take("terminate")).toMatchObject({ address: "", reason: "the broker stops" });
    answer();
    expect((await peer.take("submitted")).results[0]).toMatchObject({ ok: true });
    await peer.closed;
    await closed;
    expect(server.connections).toBe(0);
  });

  test("another listener may be given, such as one with TLS", async () => {
    const cluster = new FakeCluster();
    let made = 0;
    const server = createWorkerServer({
      broker: cluster.nodes[0]!,
      host: "127.0.0.1",
      port: 0,
      version: "1",
      submit: { maxPayloadBytes: 1_000, retry: RETRY, queueDepthThreshold: 0 },
      leaseMs: 1,
      heartbeatMs: 1,
      maxConnections: 9,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      createServer: (onSocket) => {
        made++;
        return createServer(onSocket);
      },
    });
    const { port } = await server.listen();
    await RawPeer.greet(port);
    expect(made).toBe(1);
    await server.close();
  });
});
