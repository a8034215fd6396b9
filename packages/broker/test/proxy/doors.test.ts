/** Doors behind a load balancer: each judges by the client's address, and believes nobody else. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { TqError } from "task-queue-protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { Authority } from "../../../../test/certificates.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { createGrpcServer } from "../../src/grpc/server.ts";
import type { Access } from "../../src/operations/access.ts";
import { WAITING_MAX } from "../../src/proxy/limits.ts";
import { Proxies } from "../../src/proxy/proxies.ts";
import { HEADERS_TIMEOUT_MS } from "../../src/rest/limits.ts";
import { createRestServer } from "../../src/rest/server.ts";
import { Gate } from "../../src/tls/gate.ts";
import { TlsMaterial } from "../../src/tls/material.ts";
import { createWorkerServer } from "../../src/workers/server.ts";
import { FakeBroker } from "../operations/fake-broker.ts";
import { SETTINGS } from "../rest/harness.ts";
import { TlsJournal } from "../tls/journal.ts";
import { FakeCluster } from "../workers/fake-cluster.ts";
import { RETRY } from "../workers/harness.ts";
import { bytesOf, hello } from "../workers/raw-peer.ts";

const BALANCER = "127.0.0.7";
const HEADER = "PROXY TCP4 10.9.8.7 127.0.0.1 12345 6379\r\n";
const REQUEST = "GET /queues HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: k\r\n\r\n";

function world() {
  const log = new TlsJournal();
  const seen: string[] = [];
  const access: Access = {
    identify: async (_key, address) => {
      seen.push(address);
      throw new TqError("unauthenticated", "no");
    },
  };
  const proxies = new Proxies([`${BALANCER}/32`, "2001:db8::/32"], log);
  return { log, seen, access, guard: (server: Server) => proxies.guard(server, "the port") };
}

function dial(port: number, localAddress = BALANCER): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

async function rest(more: (server: Server) => void = () => undefined) {
  const given = world();
  const server = createRestServer({
    broker: new FakeBroker(),
    access: given.access,
    config: { api: { host: "127.0.0.1", restPort: 0 }, broker: SETTINGS, retry: SETTINGS.retry },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    guard: (listener) => {
      more(listener);
      given.guard(listener);
    },
  });
  onTestFinished(() => server.close());
  return { ...given, ...(await server.listen()) };
}

describe("the client's address is seen by", () => {
  test("REST, in one piece with the request and in many", async () => {
    const { port, seen } = await rest();
    const whole = dial(port);
    whole.write(HEADER + REQUEST);
    expect(await text(whole)).toMatch(/^HTTP\/1\.1 401/);
    const slow = dial(port).setNoDelay(true);
    for (const byte of HEADER + REQUEST) {
      await new Promise((resolve) => slow.write(byte, resolve));
    }
    expect(await text(slow)).toMatch(/^HTTP\/1\.1 401/);
    expect(seen).toEqual(["10.9.8.7", "10.9.8.7"]);
  });

  test("gRPC", async () => {
    const { access, guard, seen } = world();
    const server = createGrpcServer({
      broker: new FakeBroker(),
      access,
      config: { api: { host: "127.0.0.1", grpcPort: 0 }, broker: SETTINGS, retry: SETTINGS.retry },
      logger: { info() {}, warn() {}, error() {} },
      guard,
    });
    onTestFinished(() => server.close());
    const { port } = await server.listen();
    const createConnection = () => {
      const socket = dial(port);
      socket.write(HEADER);
      return socket;
    };
    const session = connectHttp2("http://127.0.0.1", { createConnection });
    onTestFinished(() => session.destroy());
    const path = "/taskqueue.v1.TaskQueue/ListQueues";
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc" };
    const stream = session.request(headers);
    const status = new Promise((resolve) => {
      stream.on("response", (answer) => resolve(answer["grpc-status"]));
    });
    stream.end(Buffer.alloc(5));
    expect(await status).toBe("16");
    expect(seen).toEqual(["10.9.8.7"]);
  });

  test("the worker port", async () => {
    const { access, guard, seen } = world();
    const server = createWorkerServer({
      broker: new FakeCluster().nodes[0]!,
      access,
      host: "127.0.0.1",
      port: 0,
      version: "1",
      submit: { maxPayloadBytes: 1000, retry: RETRY, queueDepthThreshold: 0 },
      leaseMs: 1000,
      heartbeatMs: 1000,
      maxConnections: 9,
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      createServer: (onSocket) => {
        const listener = createServer(onSocket);
        guard(listener);
        return listener;
      },
    });
    onTestFinished(() => server.close());
    const { port } = await server.listen();
    dial(port).write(Buffer.concat([Buffer.from(HEADER), bytesOf(1, hello("client", "k"))]));
    await expect.poll(() => seen).toEqual(["10.9.8.7"]);
  });

  test("a door with TLS, and by the gate before it", async () => {
    const dir = mkdtempSync(join(tmpdir(), "tq-proxy-"));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const authority = new Authority(dir, "ours");
    const log = new TlsJournal();
    const gate = new Gate(log);
    const files = { section: "api", ...authority.issue("task-queue"), ca: undefined } as const;
    const material = new TlsMaterial({ files, log });
    onTestFinished(() => {
      gate.close();
      material.close();
    });
    const { port, seen } = await rest((server) => {
      gate.guard(server, { name: "the port", material, protocols: ["http/1.1"] });
    });
    const socket = dial(port);
    socket.write(HEADER);
    const tls = connectTls({ socket, ca: authority.caPem, servername: "task-queue" });
    tls.write(REQUEST);
    expect(await text(tls)).toMatch(/^HTTP\/1\.1 401/);
    expect(seen).toEqual(["10.9.8.7"]);
    await expect.poll(() => gate.size).toBe(0);
    const plain = dial(port);
    plain.write(HEADER + REQUEST);
    expect(await text(plain)).toContain("https://");
    await log.said("came from 10.9.8.7 to the port, which speaks TLS");
  });
});

describe("a connection that is over with its header", () => {
  test.each([
    ["ends", (socket: Socket) => void socket.end(HEADER)],
    [
      "is reset",
      (socket: Socket) => {
        socket.write(HEADER);
        socket.resetAndDestroy();
      },
    ],
  ])("and %s is closed at once", async (_, leave) => {
    let listener: Server | undefined;
    const { port } = await rest((server) => {
      listener = server;
    });
    const accepted: Socket[] = [];
    listener!.prependListener("connection", (socket) => void accepted.push(socket));
    const sockets = Array.from({ length: 20 }, () => dial(port));
    for (const socket of sockets) socket.once("connect", () => leave(socket));
    const closed = () => accepted.filter((socket) => socket.closed).length;
    await expect.poll(closed, { timeout: HEADERS_TIMEOUT_MS / 2 }).toBe(sockets.length);
  });

  test("but one that has asked before it ended is answered", async () => {
    const { port } = await rest();
    const socket = dial(port);
    socket.end(HEADER + REQUEST);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 401/);
  });
});

test("of too many without a header the oldest give way, though they come at once", () => {
  const log = new TlsJournal();
  const server = createServer();
  new Proxies([`${BALANCER}/32`], log).guard(server, "the port");
  const sockets = Array.from({ length: WAITING_MAX + 3 }, () => {
    const socket = new Socket();
    Object.defineProperty(socket, "remoteAddress", { value: BALANCER });
    onTestFinished(() => void socket.destroy());
    return socket;
  });
  for (const socket of sockets) server.emit("connection", socket);
  expect(sockets.map(({ destroyed }) => destroyed).lastIndexOf(true)).toBe(2);
  expect(sockets.filter(({ destroyed }) => destroyed)).toHaveLength(3);
});

describe("who is believed", () => {
  test("nobody but the balancer: another's header is no request", async () => {
    const { port, seen } = await rest();
    const liar = dial(port, "127.0.0.8");
    liar.write(HEADER + REQUEST);
    expect(await text(liar)).toMatch(/^HTTP\/1\.1 400/);
    const honest = dial(port, "127.0.0.8");
    honest.write(REQUEST);
    expect(await text(honest)).toMatch(/^HTTP\/1\.1 401/);
    expect(seen).toEqual(["127.0.0.8"]);
  });

  test("the balancer must say it: without a header it is cut, and the log has one line", async () => {
    const { port, seen, log } = await rest();
    for (let at = 0; at < 3; at++) {
      const socket = dial(port);
      socket.write(REQUEST);
      expect(await text(socket)).toBe("");
    }
    expect(seen).toEqual([]);
    expect(log.lines.filter((line) => line.includes("has no PROXY header"))).toHaveLength(1);
  });

  test("a balancer that asks for itself has its own address", async () => {
    const { port, seen } = await rest();
    const socket = dial(port);
    socket.write(`PROXY UNKNOWN\r\n${REQUEST}`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 401/);
    expect(seen).toEqual([BALANCER]);
  });

  test("one that does not end its header in time is cut", async () => {
    const { port, log } = await rest();
    const socket = dial(port);
    socket.write("PROXY ");
    expect(await text(socket)).toBe("");
    await log.said("it did not come in time");
  });
});

test.each(["10.0.0.0/33", "10.0.0", "lb.example", "::/129", "10.0.0.0/-1"])(
  "%s is no network",
  (text) => {
    expect(() => loadConfig({ argv: [], env: { TQ_API__PROXY_PROTOCOL_FROM: text } })).toThrow(
      `api.proxy_protocol_from: "${text}" is neither; give addresses, or networks such as 10.0.0.0/8`,
    );
  },
);
