/**
 * The codecs: what goes in comes out, the same value has the same bytes, and nothing else is
 * read.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeBatch,
  decodeCommand,
  encodeBatch,
  encodeCommand,
} from "../../src/queue/codec/batch.ts";
import { CodecError } from "../../src/queue/codec/codec-error.ts";
import { decodeContent, encodeContent } from "../../src/queue/codec/content.ts";
import { Reader } from "../../src/queue/codec/reader.ts";
import { decodeReply, encodeReply } from "../../src/queue/codec/reply.ts";
import { Writer } from "../../src/queue/codec/writer.ts";
import type { Batch, Command, NewTask } from "../../src/queue/command.ts";
import { QueueMachine } from "../../src/queue/machine.ts";
import type { Reply } from "../../src/queue/reply.ts";
import { TASK_STATES } from "../../src/queue/task.ts";
import { batch, command, content, id, text, uint } from "./arbitrary-command.ts";
import { bytesOf, MemoryStore, makeContent, makeId, START, submitOf } from "./harness.ts";

const reply: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({
    code: fc.constant("ok"),
    id: fc.option(id, { nil: undefined }),
    state: fc.constantFrom(...TASK_STATES, undefined),
    duplicate: fc.boolean(),
  }),
  fc.record({ code: fc.constant("leased"), granted: uint, tokens: fc.array(uint) }),
  fc.record({ code: fc.constantFrom("not_found", "queue_full", "overloaded"), message: text }),
) as fc.Arbitrary<Reply>;

/** As the codec gives it back: a new task carries the bytes of its content. */
function withBytes(given: Command): Command {
  if (given.type === "submit") return withContent(given);
  if (given.type === "submitAll") return { ...given, tasks: given.tasks.map(withContent) };
  if (given.type !== "complete" || given.children === undefined) return given;
  return { ...given, children: given.children.map(withContent) };
}

function withContent<T extends NewTask>(given: T): T {
  return { ...given, contentBytes: encodeContent(given.content) };
}

describe("round trips", () => {
  test("batches", () => {
    fc.assert(
      fc.property(batch, (given) => {
        const encoded = encodeBatch(given);
        const decoded = decodeBatch(encoded);
        expect(decoded).toEqual({ at: given.at, commands: given.commands.map(withBytes) });
        expect(encodeBatch(decoded)).toEqual(encoded);
      }),
    );
  });

  test("single commands", () => {
    fc.assert(
      fc.property(command, (given) => {
        expect(decodeCommand(encodeCommand(given))).toEqual(withBytes(given));
      }),
    );
  });

  test("contents, with the same bytes each time", () => {
    fc.assert(
      fc.property(content, (given) => {
        const encoded = encodeContent(given);
        expect(decodeContent(encoded)).toEqual(given);
        expect(encodeContent(decodeContent(encoded))).toEqual(encoded);
      }),
    );
  });

  test("replies", () => {
    fc.assert(
      fc.property(reply, (given) => {
        expect(decodeReply(encodeReply(given))).toEqual(given);
      }),
    );
  });

  test.each([0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1])(
    "the number %d",
    (value) => {
      const writer = new Writer();
      writer.begin();
      writer.uint(value);
      const reader = new Reader(writer.finish());
      expect(reader.uint()).toBe(value);
      reader.end();
    },
  );

  test("a payload far larger than a chunk", () => {
    const payload = new Uint8Array(900_000).map((_, at) => at % 251);
    const submit = submitOf(makeId(1), { payload });
    const after = submitOf(makeId(2), { payload: bytesOf("next") });
    const decoded = decodeBatch(encodeBatch({ at: START, commands: [submit, after] }));
    const [big] = decoded.commands;
    if (big?.type !== "submit") throw new Error("not a submit");
    expect(Buffer.compare(big.content.payload, payload)).toBe(0);
    expect(decoded.commands[1]).toMatchObject({ content: { payload: bytesOf("next") } });
  });

  test("payloads are views of the input, not copies", () => {
    const encoded = encodeBatch({ at: START, commands: [submitOf(makeId(1))] });
    const [submit] = decodeBatch(encoded).commands;
    expect(submit?.type === "submit" && submit.content.payload.buffer).toBe(encoded.buffer);
  });
});

describe("what no encoder made", () => {
  const fixed = encodeBatch({
    at: START,
    commands: [submitOf(makeId(1), { tags: ["a", "é"] }), { type: "renew", sessions: ["w1"] }],
  });

  test("each shorter input is refused", () => {
    for (let length = 0; length < fixed.length; length++) {
      expect(() => decodeBatch(fixed.subarray(0, length)), `${length} bytes`).toThrow(CodecError);
    }
  });

  test("a byte too many is refused", () => {
    expect(() => decodeBatch(Uint8Array.of(...fixed, 0))).toThrow(CodecError);
  });

  test.each([
    ["a number not in its shortest form", [0x80, 0x00]],
    ["a number of 2^53", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ["an endless number", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ])("%s is refused", (_, given) => {
    expect(() => new Reader(Uint8Array.from(given)).uint()).toThrow(CodecError);
  });

  test("broken UTF-8 is refused", () => {
    expect(() => new Reader(Uint8Array.of(2, 0xc3, 0x28)).text()).toThrow(CodecError);
  });

  test("an unknown format is refused", () => {
    const other = fixed.slice();
    other[0] = 99;
    expect(() => decodeBatch(other)).toThrow("unknown format 99");
  });

  test("a damaged batch is refused or applied, never an accident", () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
    fc.assert(
      fc.property(batch, fc.array(change, { minLength: 1, maxLength: 4 }), (given, changes) => {
        const encoded = encodeBatch(given).slice();
        for (const { at, to } of changes) encoded[at % encoded.length] = to;
        applyIfReadable(encoded);
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes are refused or applied, never an accident", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), applyIfReadable), { numRuns: 500 });
  });
});

describe("apply", () => {
  test("never throws on what the codec can read", () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 5 }), (batches) => {
        const machine = new QueueMachine(new MemoryStore());
        for (const [at, given] of batches.entries()) {
          const replies = machine.apply(at + 1, decodeBatch(encodeBatch(given)));
          expect(replies).toHaveLength(given.commands.length);
          machine.checkInvariants();
        }
      }),
    );
  });

  test("answers the same with and without the bytes that the codec adds", () => {
    const plain = new QueueMachine(new MemoryStore());
    const coded = new QueueMachine(new MemoryStore());
    const given = { at: START, commands: [submitOf(makeId(1)), submitOf(makeId(1))] };
    expect(plain.apply(1, given)).toEqual(coded.apply(1, decodeBatch(encodeBatch(given))));
    expect(plain.task(makeId(1))?.content).toEqual(makeContent());
    expect(plain.effectHash).toBe(coded.effectHash);
  });
});

function applyIfReadable(encoded: Uint8Array): void {
  let decoded: Batch;
  try {
    decoded = decodeBatch(encoded);
  } catch (cause) {
    expect(cause).toBeInstanceOf(CodecError);
    return;
  }
  const machine = new QueueMachine(new MemoryStore());
  machine.apply(1, decoded);
  machine.checkInvariants();
}
