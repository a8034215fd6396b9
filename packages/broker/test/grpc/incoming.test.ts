/**
 * Senders who do not end what they send: over sockets, against small bounds, and against a broker
 * of its own whose memory is looked at.
 */
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { TestCluster } from "../../../../test/cluster/processes.ts";
import { freePort } from "../../../../test/ports.ts";
import { Incoming } from "../../src/grpc/incoming.ts";
import { FIRST_BYTES_MS, INCOMING_PER_CONNECTION_MAX } from "../../src/grpc/limits.ts";
import { Sockets } from "../../src/grpc/sockets.ts";
import { type Any, callOn, clientOf, Harness, openStream, untilStill } from "./harness.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LIMIT_MS = 240_000;

function dial(port: number, localAddress = "127.0.0.1"): ClientHttp2Session {
  const createConnection = (): Socket => connectTcp({ port, host: "127.0.0.1", localAddress });
  const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection });
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  return session;
}

/** Announces a message of a size, and sends so much of it. */
function begin(session: ClientHttp2Session, announced: number, sent: number, path = "SubmitTask") {
  const service = path.includes("/") ? "" : "/taskqueue.v1.TaskQueue/";
  const stream = session.request({
    ":method": "POST",
    ":path": `${service}${path}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const seen = { stream, status: undefined as string | undefined, closed: false, rst: -1 };
  stream.on("error", () => undefined);
  stream.on("response", (headers: Any) => {
    seen.status = grpc.status[headers["grpc-status"]];
  });
  stream.on("close", () => {
    seen.closed = true;
    seen.rst = stream.rstCode;
  });
  stream.resume();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(announced, 1);
  stream.write(Buffer.concat([prefix, Buffer.alloc(sent)]));
  return seen;
}

/** So many with 60 KiB each. */
function tasks(count: number): object[] {
  const payload = { content_type: "application/octet-stream", data: Buffer.alloc(60 * KIB) };
  return Array.from({ length: count }, () => ({ type: "t", payload }));
}

describe("memory", () => {
  test("a message that does not end gives way, is told why, and its stream is closed", async () => {
    const h = await Harness.open({ underWay: { bytes: 2 * MIB, ms: 60_000 } });
    const session = dial(h.port, "127.0.0.2");
    const slow = Array.from({ length: 3 }, () => begin(session, 900 * KIB, 800 * KIB));
    // How much memory the pieces take depends on how the network cuts them: one gives way or two.
    const gone = () => slow.filter(({ closed }) => closed).length;
    await expect.poll(gone, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(slow.every(({ closed }) => closed)).toBe(false);
    expect(slow.find(({ closed }) => closed)).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      rst: 0,
    });
    expect((await h.call("SubmitTasks", { tasks: tasks(15) })).code).toBe("OK");
    expect(h.logged[0]).toContain("a call was ended unfinished");
  });

  test("what is asked without a key counts as well", async () => {
    const h = await Harness.open({ underWay: { bytes: 2 * MIB, ms: 60_000 } });
    const session = dial(h.port);
    const check = "/grpc.health.v1.Health/Check";
    const slow = Array.from({ length: 3 }, () => begin(session, 900 * KIB, 800 * KIB, check));
    await expect.poll(() => slow.map(({ status }) => status)).toContain("RESOURCE_EXHAUSTED");
  });

  test("calls that nobody ends take no more than their share of calls", async () => {
    const h = await Harness.open({ underWay: { bytes: 128 * KIB, ms: 60_000 } });
    const calls = Array.from({ length: 20 }, () => begin(dial(h.port, "127.0.0.2"), 100, 1));
    const ended = () => calls.filter(({ status }) => status === "RESOURCE_EXHAUSTED").length;
    await expect.poll(ended).toBeGreaterThanOrEqual(4);
    expect((await h.call("ListQueues")).code).toBe("OK");
  });

  test("a call that there is none of is closed, whatever it goes on to send", async () => {
    const h = await Harness.open();
    const unknown = begin(dial(h.port), 900 * KIB, 800 * KIB, "NoSuchCall");
    await expect.poll(() => unknown.closed).toBe(true);
    expect(unknown).toMatchObject({ status: "UNIMPLEMENTED", rst: 0 });
  });

  test("many whole messages at once are all answered", async () => {
    const h = await Harness.open({ underWay: { bytes: 4 * MIB, ms: 60_000 } });
    const calls = Array.from({ length: 300 }, () => h.call("ListQueues"));
    const codes = (await Promise.all(calls)).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(["OK"]));
  });

  test("whoever leaves while his call waits for its turn leaves nothing behind", async () => {
    const watch = vi.spyOn(Incoming.prototype, "watch");
    onTestFinished(() => watch.mockRestore());
    const h = await Harness.open();
    const incoming = watch.mock.contexts[0] as Incoming;
    const session = dial(h.port);
    for (let at = 0; at < INCOMING_PER_CONNECTION_MAX; at++) begin(session, 100, 1);
    await untilStill(() => incoming.bytes);
    const before = incoming.bytes;
    const waiting = Array.from({ length: 5 }, () => begin(session, 40 * KIB, 39 * KIB).stream);
    await expect.poll(() => incoming.bytes).toBeGreaterThan(before + 5 * 39 * KIB);
    for (const stream of waiting) stream.close(constants.NGHTTP2_NO_ERROR);
    await expect.poll(() => incoming.bytes).toBe(before);
  });

  test("what a stream has sent is let go when it is answered", async () => {
    const h = await Harness.open({ underWay: { bytes: 2 * MIB, ms: 60_000 } });
    const { stream, messages, ended } = openStream(h.client.SubmitStream());
    for (let sequence = 0; sequence < 12; sequence++) stream.write({ sequence, tasks: tasks(8) });
    stream.end();
    expect((await ended).code).toBe("OK");
    expect(messages).toHaveLength(12);
  });
});

describe("time", () => {
  test.each([
    ["a message of a call", "SubmitTask"],
    ["a message of a stream", "SubmitStream"],
    ["a message without a key", "/grpc.health.v1.Health/Check"],
  ])("%s that does not end is ended", async (_, path) => {
    const h = await Harness.open({ underWay: { bytes: 100 * MIB, ms: 100 } });
    const slow = begin(dial(h.port), 1000, 10, path);
    await expect.poll(() => slow.closed, { timeout: 10_000 }).toBe(true);
    expect(slow).toMatchObject({ status: "INVALID_ARGUMENT", rst: 0 });
  });

  test("a stream may be silent between its messages", async () => {
    const h = await Harness.open({ underWay: { bytes: 100 * MIB, ms: 100 } });
    const { stream, messages, ended } = openStream(h.client.SubmitStream());
    stream.write({ sequence: 1, tasks: [{ type: "t" }] });
    // One that is slow is ended meanwhile, so that the bound has been looked at.
    const slow = begin(dial(h.port), 1000, 10);
    await expect.poll(() => slow.closed, { timeout: 10_000 }).toBe(true);
    stream.write({ sequence: 2, tasks: [{ type: "t" }] });
    stream.end();
    expect((await ended).code).toBe("OK");
    expect(messages).toHaveLength(2);
  });

  test("a connection that says nothing is closed, one that speaks is not", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const sockets = new Sockets();
    const [silent, speaking] = [socketOf(0), socketOf(24)];
    for (const socket of [silent, speaking]) sockets.admit(socket as unknown as Socket);
    vi.advanceTimersByTime(FIRST_BYTES_MS);
    expect([silent.destroyed, speaking.destroyed]).toEqual([true, false]);
    expect(sockets.size).toBe(1);
  });
});

function socketOf(bytesRead: number) {
  const fields = { bytesRead, remoteAddress: "127.0.0.1", destroyed: false };
  const socket = Object.assign(new EventEmitter(), fields, {
    destroy: () => {
      socket.destroyed = true;
      socket.emit("close");
    },
  });
  return socket;
}

test(
  "a broker's memory stays where it is, and it serves others meanwhile",
  async () => {
    const cluster = await TestCluster.create(1);
    onTestFinished(() => cluster.close());
    const [node] = cluster.nodes;
    const port = await freePort();
    node!.env = { TQ_PERSISTENCE__MIN_FREE_DISK: "0", TQ_API__GRPC_PORT: `${port}` };
    await cluster.start();
    const client = clientOf(port);
    onTestFinished(() => client.close());
    const good = () => callOn(client, "SubmitTask", { task: { type: "t" } });
    await expect.poll(async () => (await good()).code, { timeout: 60_000 }).toBe("OK");
    const before = rssOf(node!.pid);
    const streams: ClientHttp2Stream[] = [];
    let most = 0;
    // 480 MiB of messages, none of which ends.
    for (let at = 0; at < 15; at++) {
      const session = dial(port, `127.0.0.${2 + (at % 3)}`);
      for (let call = 0; call < 8; call++)
        streams.push(begin(session, 4 * MIB, 4 * MIB - 1).stream);
      expect((await good()).code).toBe("OK");
      await untilStill(
        () => 1 + streams.filter(({ writableLength }) => writableLength === 0).length,
      );
      most = Math.max(most, rssOf(node!.pid));
    }
    expect((await good()).code).toBe("OK");
    expect(most - before).toBeLessThan(256);
  },
  LIMIT_MS,
);

/** MiB. */
function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / KIB;
}
