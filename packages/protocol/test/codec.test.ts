/**
 * Every message survives the wire; no bytes whatever make a decoder do anything but answer or
 * refuse.
 */
import fc from "fast-check";
import {
  ByteReader,
  ByteWriter,
  decodeMessage,
  encodeMessage,
  frameType,
  ProtocolError,
  STRING_BYTES_MAX,
  type SubmitContent,
} from "task-queue-protocol";
import { describe, expect, test } from "vitest";
import { anyMessage, arbitraryMessage, KINDS } from "./arbitrary-message.ts";
import { fromBytes, readFrames, toBytes } from "./frames.ts";

describe("round trip", () => {
  test.each(KINDS)("%s", (kind) => {
    fc.assert(
      fc.property(arbitraryMessage(kind), (message) => {
        expect(fromBytes(toBytes(message))).toEqual(message);
      }),
      { numRuns: 150 },
    );
  });

  test("the request id and the type byte are in the header", () => {
    const [frame] = readFrames([toBytes({ kind: "ping" }, 0xfedc_ba98)]);
    expect(frame).toEqual({ type: 4, requestId: 0xfedc_ba98, body: new Uint8Array(0) });
  });

  test("every message has a type of its own", () => {
    expect(new Set(KINDS.map(frameType)).size).toBe(KINDS.length);
  });

  test("a name that is read again is the same text, whatever else was read in between", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary", maxLength: 80 }), { maxLength: 20 }),
        (words) => {
          const writer = new ByteWriter();
          const clean = words.map((word) => word.replaceAll(/\p{Surrogate}/gu, ""));
          for (const word of [...clean, ...clean]) writer.string(word);
          const reader = new ByteReader(writer.view().slice());
          expect([...clean, ...clean].map(() => reader.name())).toEqual([...clean, ...clean]);
        },
      ),
    );
  });

  test("a byte above 127 is never taken for the character of that number", () => {
    const writer = new ByteWriter();
    writer.string("Ã©");
    const first = new ByteReader(writer.view().slice());
    expect(first.name()).toBe("Ã©");
    // Its bytes c3 a9 spelled as two characters would match a text cached under the same slot.
    const reader = new ByteReader(Uint8Array.of(0, 2, 0xc3, 0xa9));
    expect(reader.name()).toBe("é");
  });
});

describe("malformed bytes", () => {
  function outcome(bytes: Uint8Array): "answered" | "refused" {
    try {
      for (const frame of readFrames([bytes])) decodeMessage(frame);
      return "answered";
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
      return "refused";
    }
  }

  test("any body of any type", () => {
    fc.assert(
      fc.property(fc.nat({ max: 255 }), fc.uint8Array({ maxLength: 200 }), (type, body) => {
        try {
          decodeMessage({ type, requestId: 1, body });
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test("a good frame with bytes changed", () => {
    const change = fc.tuple(fc.nat(), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(anyMessage, fc.array(change, { minLength: 1, maxLength: 4 }), (message, all) => {
        const bytes = toBytes(message);
        for (const [at, value] of all) bytes[4 + (at % (bytes.length - 4))] = value;
        outcome(bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  test("a body that is cut anywhere, or has a byte too many, is refused", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (message, at) => {
        const bytes = toBytes(message);
        const type = bytes[4]!;
        const body = bytes.subarray(9);
        const tooLong = new Uint8Array(body.length + 1);
        tooLong.set(body);
        const decode = (wrong: Uint8Array) => () =>
          decodeMessage({ type, requestId: 1, body: wrong });
        expect(decode(tooLong)).toThrow(ProtocolError);
        if (body.length > 0)
          expect(decode(body.subarray(0, at % body.length))).toThrow(ProtocolError);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ["submit", 0x10],
    ["registered", 0x21],
    ["deliver", 0x27],
    ["complete", 0x30],
  ])("a count beyond what the frame can hold costs nothing: %s", (_name, type) => {
    const body = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff);
    expect(() => decodeMessage({ type, requestId: 1, body })).toThrow(/longer than/);
  });

  test.each([
    ["text that is not UTF-8", 0x22, [0, 2, 0xc3, 0x28], /not UTF-8/],
    ["a text longer than its frame", 0x22, [0xff, 0xff, 65], /ends too early/],
    [
      "a number of 2^53",
      0x30,
      [0, 0, 0, 1, ...new Array(16).fill(1), 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      /2\^53/,
    ],
    ["a flag of 2", 0x03, [2, 0, 0, 0, 0, 0, 0], /a flag is 2/],
    ["another magic", 0x01, [72, 73, 1, 1, 0, 0, 0, 0, 0, 0, 0], /begins with "TQ"/],
    ["a type that does not exist", 0x7f, [], /no message type 127/],
  ])("%s", (_name, type, body, message) => {
    const bytes = Uint8Array.from(body);
    expect(() => decodeMessage({ type, requestId: 1, body: bytes })).toThrow(message);
  });

  test("not-a-number and infinity are refused", () => {
    const good = toBytes({
      kind: "submit",
      tasks: [{ id: new Uint8Array(16), content: withJitter(0.5) }],
    });
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const bytes = good.slice();
      new DataView(bytes.buffer).setFloat64(bytes.length - 8, value);
      expect(() => fromBytes(bytes)).toThrow(/not finite/);
    }
  });

  test("a hello of other versions is recognised, whatever follows", () => {
    const body = Uint8Array.of(84, 81, 9, 12, 1, 2, 3);
    const message = decodeMessage({ type: 1, requestId: 1, body });
    expect(message).toEqual({ kind: "unknownHello", minVersion: 9, maxVersion: 12 });
  });
});

describe("what has no form on the wire", () => {
  test("is refused, and the writer is as it was before", () => {
    const writer = new ByteWriter();
    encodeMessage(writer, 1, { kind: "ping" });
    const before = writer.view().slice();
    const long = "x".repeat(STRING_BYTES_MAX + 1);
    expect(() => encodeMessage(writer, 2, { kind: "notLeader", address: long })).toThrow(
      ProtocolError,
    );
    expect(() =>
      encodeMessage(writer, 3, { kind: "registered", leaseMs: 1, heartbeatMs: 1, lost: [-1] }),
    ).toThrow(/whole number/);
    const tags = new Array<string>(256).fill("x");
    for (const content of [{ ...withJitter(0), tags }, withJitter(Number.NaN)]) {
      const task = { id: new Uint8Array(16), content };
      expect(() => encodeMessage(writer, 4, { kind: "submit", tasks: [task] })).toThrow(
        ProtocolError,
      );
    }
    expect(writer.view()).toEqual(before);
  });

  test("half a character becomes the replacement character", () => {
    const message = { kind: "notLeader", address: "a\ud800b" } as const;
    expect(fromBytes(toBytes(message))).toEqual({ kind: "notLeader", address: "a\ufffdb" });
  });

  test("durations beyond 32 bits are held at the greatest", () => {
    const message = { kind: "window", window: 2 ** 40 } as const;
    expect(fromBytes(toBytes(message))).toEqual({ kind: "window", window: 0xffff_ffff });
  });
});

function withJitter(jitter: number): SubmitContent {
  return {
    type: "t",
    queue: "default",
    priority: "normal",
    payload: new Uint8Array(0),
    payloadType: "json",
    delayMs: 0,
    runAt: 0,
    timeoutMs: 0,
    retry: { jitter },
    idempotencyKey: "",
    tags: [],
    metadata: "",
    traceparent: "",
  };
}
