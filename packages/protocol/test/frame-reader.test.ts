/** Frames come out the same however the stream is cut, and an announced length costs nothing. */
import fc from "fast-check";
import { FrameReader, ProtocolError } from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { anyMessage } from "./arbitrary-message.ts";
import { readFrames, toBytes } from "./frames.ts";

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Cuts at the given places, in any order and as often as may be. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, i) => bytes.slice(i === 0 ? 0 : ends[i - 1]!, end));
}

describe("FrameReader", () => {
  test("answers the same frames for every cut of the stream", () => {
    const messages = fc.array(anyMessage, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 12 }), (sent, places) => {
        const stream = concat(sent.map((message, i) => toBytes(message, i)));
        expect(readFrames(cut(stream, places))).toEqual(readFrames([stream]));
      }),
      { numRuns: 500 },
    );
  });

  test("one byte at a time", () => {
    const stream = concat([
      toBytes({ kind: "ping" }, 1),
      toBytes({ kind: "window", window: 9 }, 2),
    ]);
    const chunks = Array.from(stream, (byte) => Uint8Array.of(byte));
    expect(readFrames(chunks).map(({ requestId }) => requestId)).toEqual([1, 2]);
  });

  test("a frame that is whole in its chunk is a view of it", () => {
    const chunk = toBytes({ kind: "answer", index: 0, body: new Uint8Array(100) });
    const [frame] = readFrames([chunk]);
    expect(frame!.body.buffer).toBe(chunk.buffer);
  });

  test("tells whether a frame is unfinished", () => {
    const reader = new FrameReader(1_000);
    const bytes = toBytes({ kind: "ping" });
    expect(reader.incomplete).toBe(false);
    for (const byte of bytes.subarray(0, -1)) {
      reader.push(Uint8Array.of(byte));
      expect(reader.next()).toBeUndefined();
      expect(reader.incomplete).toBe(true);
    }
    reader.push(bytes.subarray(-1));
    expect(reader.next()).toBeDefined();
    expect(reader.next()).toBeUndefined();
    expect(reader.incomplete).toBe(false);
  });

  test.each([
    [0, /no room for its header/],
    [4, /no room for its header/],
    [1_001, /at most 1000/],
    [0x48545450, /an HTTP answer; is it the REST port\?/],
    [2 ** 31 - 1, /at most 1000/],
    [2 ** 32 - 1, /at most 1000/],
  ])("a length of %d is refused as soon as it is read", (length, message) => {
    const header = new Uint8Array(4);
    new DataView(header.buffer).setUint32(0, length);
    for (const chunks of [[header], Array.from(header, (byte) => Uint8Array.of(byte))]) {
      expect(() => readFrames(chunks, 1_000)).toThrow(message);
      expect(() => readFrames(chunks, 1_000)).toThrow(ProtocolError);
    }
  });

  test("the limit itself is accepted", () => {
    const bytes = toBytes({ kind: "answer", index: 0, body: new Uint8Array(1_000 - 17) });
    expect(new DataView(bytes.buffer).getUint32(0)).toBe(1_000);
    expect(readFrames([bytes], 1_000)).toHaveLength(1);
  });

  test("a large frame in small pieces is copied a bounded number of times", () => {
    const body = new Uint8Array(1 << 20).map((_, i) => i);
    const bytes = toBytes({ kind: "answer", index: 0, body });
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 64) chunks.push(bytes.subarray(at, at + 64));
    const set = Uint8Array.prototype.set;
    let copied = 0;
    Uint8Array.prototype.set = function (source, offset) {
      copied += source.length;
      set.call(this, source, offset);
    };
    try {
      const [frame] = readFrames(chunks);
      // Not toEqual: it compares a million elements one by one.
      expect(Buffer.compare(frame!.body.subarray(12), body)).toBe(0);
    } finally {
      Uint8Array.prototype.set = set;
    }
    expect(copied).toBeLessThan(4 * bytes.length);
  });
});
