/**
 * What is counted of calls on their way in is given back, whichever way they end: answered,
 * refused, cancelled, reset, cut off, late, in the middle of a message or of an answer. Counted are
 * memory over all connections, and turns of one connection.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { gzipSync } from "node:zlib";
import { TqError } from "task-queue-protocol";
import { expect, onTestFinished, test, vi } from "vitest";
import { Random } from "../../../../test/simulation/random.ts";
import { Incoming } from "../../src/grpc/incoming.ts";
import { INCOMING_PER_CONNECTION_MAX } from "../../src/grpc/limits.ts";
import { type Access, ANYBODY } from "../../src/operations/access.ts";
import { Harness } from "./harness.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const CALLS = 150;
/** Of one connection at a time. */
const OPEN_MAX = 40;
const OURS = "/taskqueue.v1.TaskQueue";
const PATHS = [
  `${OURS}/SubmitTask`,
  `${OURS}/SubmitTasks`,
  `${OURS}/SubmitStream`,
  `${OURS}/GetTask`,
  `${OURS}/WatchTasks`,
  `${OURS}/NoSuchCall`,
  "/grpc.health.v1.Health/Watch",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];
/** A task of the type `t`, as it stands in a message of each call that submits. */
const TASK = { unary: Buffer.from("0a03120174", "hex"), stream: Buffer.from("1203120174", "hex") };

/** Keys are looked at for a while, so that calls end meanwhile. */
const ACCESS: Access = {
  identify: async (key) => {
    await new Promise((resolve) => setTimeout(resolve, 3));
    if (key === "wrong") throw new TqError("unauthenticated", "it is");
    return ANYBODY;
  },
};

function framed(content: Buffer, flag = 0, announced = content.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(announced, 1);
  return Buffer.concat([prefix, content]);
}

/** Messages, good and bad, of which the last need not be all there. */
function bodyOf(random: Random, path: string): Buffer {
  const task = path.endsWith("Stream") ? TASK.stream : TASK.unary;
  const message = (): Buffer => {
    switch (random.whole(0, 6)) {
      case 0:
        return framed(gzipSync(task), 1);
      case 1:
        return framed(Buffer.alloc(random.whole(0, 30), 0xff));
      case 2:
        return framed(Buffer.alloc(0), 0, 64 * MIB);
      case 3:
        return framed(Buffer.concat(Array.from({ length: 500 }, () => task)));
      default:
        return framed(task);
    }
  };
  const whole = Array.from({ length: random.whole(0, 4) }, message);
  const part = framed(Buffer.alloc(random.whole(0, 200 * KIB)), 0, 300 * KIB);
  return Buffer.concat(random.chance(0.4) ? [...whole, part] : whole);
}

async function call(session: ClientHttp2Session, random: Random): Promise<ClientHttp2Stream> {
  const path = random.pick(PATHS);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    "grpc-encoding": "gzip",
    authorization: `Bearer ${random.chance(0.1) ? "wrong" : "right"}`,
    ...(random.chance(0.3) ? { "grpc-timeout": `${random.whole(1, 20)}m` } : {}),
  });
  stream.on("error", () => undefined);
  // Some take no answer.
  if (random.chance(0.8)) stream.resume();
  const body = bodyOf(random, path);
  for (let at = 0; at < body.length && !stream.closed; ) {
    const to = at + random.pick([1, 5, 7, 1000, 20 * KIB, body.length]);
    stream.write(body.subarray(at, to));
    at = to;
    if (random.chance(0.2)) await new Promise(setImmediate);
  }
  if (random.chance(0.5)) stream.end();
  if (random.chance(0.3)) await new Promise((resolve) => setTimeout(resolve, random.whole(0, 8)));
  if (random.chance(0.4)) stream.close(random.pick(CODES));
  return stream;
}

const CODES = [
  constants.NGHTTP2_CANCEL,
  constants.NGHTTP2_NO_ERROR,
  constants.NGHTTP2_REFUSED_STREAM,
];

function dial(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  return session;
}

async function crowd(session: ClientHttp2Session, random: Random): Promise<void> {
  const open: ClientHttp2Stream[] = [];
  for (let at = 0; at < CALLS && !session.destroyed; at++) {
    if (open.length === OPEN_MAX) leave(open.shift()!);
    open.push(await call(session, random));
  }
  for (const stream of open) leave(stream);
}

function leave(stream: ClientHttp2Stream): void {
  stream.resume().close(constants.NGHTTP2_CANCEL);
}

test.each([
  ["with room for all", { bytes: 100 * MIB, ms: 60_000 }, 1],
  ["with room for few", { bytes: 512 * KIB, ms: 60_000 }, 2],
  ["with little time", { bytes: 100 * MIB, ms: 10 }, 3],
])("nothing is kept of calls that are over, %s", async (_, underWay, seed) => {
  const watch = vi.spyOn(Incoming.prototype, "watch");
  onTestFinished(() => watch.mockRestore());
  const h = await Harness.open({ underWay, access: ACCESS });
  const incoming = watch.mock.contexts[0] as Incoming;
  const [lasting, ...others] = Array.from({ length: 3 }, () => dial(h.port));
  let most = 0;
  const look = setInterval(() => {
    most = Math.max(most, incoming.bytes);
  }, 1);
  onTestFinished(() => clearInterval(look));
  await Promise.all([
    crowd(lasting!, new Random(seed)),
    ...others.map(async (session, at) => {
      await crowd(session, new Random(seed).fork(`${at}`));
      for (let last = 0; last < 20; last++) void call(session, new Random(last));
      session.destroy();
    }),
  ]);
  expect(most).toBeGreaterThan(100 * KIB);
  await expect.poll(() => incoming.bytes, { timeout: 20_000 }).toBe(0);
  await untilTurnsAreFree(lasting!);
  await expect.poll(() => incoming.bytes, { timeout: 20_000 }).toBe(0);
});

/** A turn that was not given back would keep one of these waiting. */
async function untilTurnsAreFree(session: ClientHttp2Session): Promise<void> {
  const answers = Array.from({ length: 2 * INCOMING_PER_CONNECTION_MAX }, () => {
    const stream = session.request({
      ":method": "POST",
      ":path": `${OURS}/ListQueues`,
      "content-type": "application/grpc",
    });
    stream.resume().end(framed(Buffer.alloc(0)));
    return new Promise((resolve) => {
      stream.on("trailers", (trailers) => resolve(trailers["grpc-status"]));
      stream.on("response", (headers) => headers["grpc-status"] && resolve(headers["grpc-status"]));
    });
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set(["0"]));
}
