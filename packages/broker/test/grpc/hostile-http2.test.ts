/**
 * HTTP/2 that is meant to harm: floods of frames that cost the sender nothing, and frames that make no
 * sense. Whoever sends them is told to go or is cut off, and is not heard again; another client is
 * served before, meanwhile and afterwards. Who stays although he was told is cut off by keepalive.
 */
import { expect, onTestFinished, test } from "vitest";
import { Harness } from "./harness.ts";
import {
  CONTINUATION,
  callHeaders,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  header,
  number,
  PING,
  PUSH_PROMISE,
  RawHttp2,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./raw-http2.ts";

/** Rounds of a flood; far beyond every bound that ends one. */
const ROUNDS = 400;
const PER_ROUND = 100;
const CANCEL = number(8);
const WHOLE = END_HEADERS | END_STREAM;

/** Frames of one round; a round is a write of its own. */
type Flood = (round: number) => readonly Uint8Array[];

function repeat(make: (at: number) => Uint8Array): Flood {
  return (round) => Array.from({ length: PER_ROUND }, (_, i) => make(round * PER_ROUND + i));
}

function streamOf(at: number): number {
  return 2 * at + 1;
}

const OPEN = frame(HEADERS, END_HEADERS, 1, callHeaders("SubmitTask"));
/** SubmitTaskRequest { task: NewTask { type: "t" } } */
const MESSAGE = Buffer.from([0, 0, 0, 0, 5, 0x0a, 3, 0x12, 1, 0x74]);
const LATE = 2 ** 31 - 1;
/** On a stream of a number so high that nobody has used a later one. */
const SUBMIT = [
  frame(HEADERS, END_HEADERS, LATE, callHeaders("SubmitTask")),
  frame(DATA, END_STREAM, LATE, MESSAGE),
];

/** `reads`: false for a peer that takes nothing of what it is answered. */
const FLOODS: readonly [name: string, flood: Flood, reads: boolean][] = [
  [
    "calls that are taken back at once",
    repeat((at) =>
      Buffer.concat([
        frame(HEADERS, END_HEADERS, streamOf(at), callHeaders("ListQueues")),
        frame(RST_STREAM, 0, streamOf(at), CANCEL),
      ]),
    ),
    true,
  ],
  [
    "headers that go on and on",
    (round) => {
      const more = frame(CONTINUATION, 0, 1, header("x", "y".repeat(100)));
      const begin = round === 0 ? [frame(HEADERS, 0, 1, callHeaders("ListQueues"))] : [];
      return [...begin, ...Array.from({ length: PER_ROUND }, () => more)];
    },
    true,
  ],
  [
    "headers that go on with nothing",
    (round) => {
      const begin = round === 0 ? [frame(HEADERS, 0, 1, callHeaders("ListQueues"))] : [];
      return [...begin, ...Array.from({ length: PER_ROUND }, () => frame(CONTINUATION, 0, 1))];
    },
    true,
  ],
  ["pings, of whose answers none is read", repeat(() => frame(PING, 0, 0, Buffer.alloc(8))), false],
  ["settings, of whose answers none is read", repeat(() => frame(SETTINGS, 0, 0)), false],
  [
    "calls beyond the streams that there may be",
    repeat((at) => frame(HEADERS, END_HEADERS, streamOf(at), callHeaders("SubmitTask"))),
    true,
  ],
];

test.each(FLOODS)("a flood of %s", { timeout: 60_000 }, async (_name, flood, reads) => {
  const h = await Harness.open();
  const peer = await RawHttp2.dial(h.port);
  onTestFinished(() => void peer.socket.destroy());
  if (!reads) peer.socket.pause();
  for (let round = 0; round < ROUNDS && !peer.isOver; round++) {
    await peer.send(...flood(round));
    if (round % 20 === 0) expect((await h.call("ListQueues")).code).toBe("OK");
    // A peer that does not read sees the end of its connection only when it looks.
    if (!reads && peer.socket.writableLength > 0) break;
  }
  peer.socket.resume();
  await peer.over;
  await peer.send(...SUBMIT);
  expect((await h.call("ListQueues")).code).toBe("OK");
  expect(h.broker.commands).toEqual([]);
});

const WINDOW_MAX = number(2 ** 31 - 1);

test.each([
  ["a window beyond its limit", [frame(WINDOW_UPDATE, 0, 0, WINDOW_MAX)]],
  ["a window that grows by nothing", [frame(WINDOW_UPDATE, 0, 0, number(0))]],
  ["a window of three bytes", [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))]],
  ["a ping of seven bytes", [frame(PING, 0, 0, Buffer.alloc(7))]],
  ["settings of five bytes", [frame(SETTINGS, 0, 0, Buffer.alloc(5))]],
  ["a setting beyond its limit", [frame(SETTINGS, 0, 0, Buffer.from([0, 4, 255, 255, 255, 255]))]],
  ["data of no stream", [frame(DATA, 0, 0, Buffer.alloc(9))]],
  ["data of a stream that was never opened", [frame(DATA, 0, 9, Buffer.alloc(9))]],
  ["a reset of a stream that was never opened", [frame(RST_STREAM, 0, 9, CANCEL)]],
  ["headers of no stream", [frame(HEADERS, WHOLE, 0, callHeaders("ListQueues"))]],
  [
    "headers of a stream with an even number",
    [frame(HEADERS, WHOLE, 2, callHeaders("ListQueues"))],
  ],
  ["headers that cannot be unpacked", [frame(HEADERS, WHOLE, 1, Buffer.alloc(40, 0xff))]],
  [
    "headers that say their text is endless",
    [frame(HEADERS, WHOLE, 1, Buffer.from([0, 127, 255]))],
  ],
  ["other frames between headers", [frame(HEADERS, 0, 1), frame(PING, 0, 0, Buffer.alloc(8))]],
  ["headers that go on without a beginning", [frame(CONTINUATION, END_HEADERS, 1)]],
  ["a promise, which only servers make", [frame(PUSH_PROMISE, WHOLE, 1, number(2))]],
  ["a frame beyond the limit of frames", [frame(DATA, 0, 1, Buffer.alloc(2 ** 20))]],
])("%s is the last that is heard of its connection", async (_name, frames) => {
  const h = await Harness.open();
  const peer = await RawHttp2.dial(h.port);
  onTestFinished(() => void peer.socket.destroy());
  await peer.send(...frames);
  await peer.over;
  await peer.send(...SUBMIT);
  expect((await h.call("ListQueues")).code).toBe("OK");
  expect(h.broker.commands).toEqual([]);
});

test("what a good connection sends is heard", async () => {
  const h = await Harness.open();
  const peer = await RawHttp2.dial(h.port);
  onTestFinished(() => void peer.socket.destroy());
  await peer.send(...SUBMIT);
  await expect.poll(() => h.broker.commands).toMatchObject([{ type: "submit" }]);
});

test("a message in pieces of one byte is a message", async () => {
  const h = await Harness.open();
  const peer = await RawHttp2.dial(h.port);
  onTestFinished(() => void peer.socket.destroy());
  const pieces = Array.from(MESSAGE, (byte) => frame(DATA, 0, 1, Buffer.from([byte])));
  await peer.send(OPEN, ...pieces, frame(DATA, END_STREAM, 1));
  await expect.poll(() => h.broker.commands).toMatchObject([{ type: "submit" }]);
});

test("pieces of a message that hold nothing are many, and it still comes to nothing", async () => {
  const h = await Harness.open();
  const peer = await RawHttp2.dial(h.port);
  onTestFinished(() => void peer.socket.destroy());
  await peer.send(OPEN);
  for (let round = 0; round < ROUNDS && !peer.isOver; round++) {
    await peer.send(...Array.from({ length: PER_ROUND }, () => frame(DATA, 0, 1)));
  }
  expect((await h.call("ListQueues")).code).toBe("OK");
  await peer.send(frame(DATA, END_STREAM, 1));
  expect(h.broker.commands).toEqual([]);
});
