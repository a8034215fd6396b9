/** Messages as bytes: nothing changes on the way, and no damage passes for a message. */
import { readFileSync } from "node:fs";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import fc from "fast-check";
import type { Entry, Message } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import type { Envelope, Forward, ForwardReply } from "../../src/ports.ts";
import { ByteReader, ByteWriter, CodecError } from "../../src/transport/bytes.ts";
import {
  decodeBody,
  encodeEnvelope,
  encodeForwardReplies,
  encodeForwards,
} from "../../src/transport/codec.ts";
import { packFrame, unpackFrame } from "../../src/transport/raft-service.ts";

const from = "node1";
const to = "node2";
const whole = fc.oneof(fc.nat(), fc.maxSafeNat());
const id = fc.record({ term: whole, index: whole });
const bytes = fc.uint8Array({ maxLength: 300 });
const hash = fc.stringMatching(/^[0-9a-f]{16}$/);

function message(type: string, fields: Record<string, fc.Arbitrary<unknown>>) {
  return fc
    .record({ term: whole, ...fields })
    .map((rest) => ({ type, from, to, ...rest }) as unknown as Message);
}

const append = fc
  .record({
    term: whole,
    commit: whole,
    prev: fc.record({ term: whole, index: fc.nat() }),
    entries: fc.array(
      fc.record({
        term: whole,
        kind: fc.constantFrom("normal" as const, "empty" as const, "membership" as const),
        data: bytes,
      }),
      { maxLength: 8 },
    ),
  })
  .map(({ entries, ...rest }): Message => {
    const numbered = entries.map(
      (entry, i): Entry => ({ ...entry, index: rest.prev.index + 1 + i }),
    );
    return { type: "append", from, to, ...rest, entries: numbered };
  });

const source = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const sources = fc.array(source, { minLength: 1, maxLength: 16 });
const rejection = fc.record({ prev: whole, hint: id });
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  message("preVote", { last: id }),
  message("preVoteReply", { granted: fc.boolean() }),
  message("vote", { last: id, transfer: fc.boolean() }),
  message("voteReply", { granted: fc.boolean() }),
  append,
  message("appendReply", { match: whole, durable: whole }),
  message("appendReply", { match: whole, durable: whole, rejected: rejection }),
  message("heartbeat", { commit: whole, round: whole }),
  message("heartbeatReply", { round: whole }),
  message("readIndex", { id: whole }),
  message("readIndexReply", { id: whole, index: whole }),
  message("installSnapshot", { index: whole, sources }),
  message("timeoutNow", {}),
  message("lostEntries", { index: whole }),
);
const priority = fc.nat(2 ** 31 - 1);
const flag = (version: number) => (version === 1 ? fc.constant(false) : fc.boolean());
const VERSIONS = [1, 2] as const;
const version = fc.constantFrom(...VERSIONS);
/** Such as this version of the bus can carry. */
const envelopeOf = (version: number): fc.Arbitrary<Envelope> => {
  const beacon = fc.record({
    wallMs: whole,
    applied: whole,
    priority,
    effectHash: hash,
    diskLow: flag(version),
    intakeClosed: flag(version),
  });
  return fc.record({
    message: anyMessage,
    beacon: fc.option(beacon, { nil: undefined }),
  });
};
const anyEnvelope = version.chain((of) => fc.tuple(fc.constant(of), envelopeOf(of)));
const forwards: fc.Arbitrary<Forward[]> = fc.array(fc.record({ requestId: whole, command: bytes }));
const outcome = fc.option(fc.record({ reply: bytes, index: whole }), { nil: undefined });
const replies: fc.Arbitrary<ForwardReply[]> = fc.array(fc.record({ requestId: whole, outcome }));

describe("round trips", () => {
  test.each(VERSIONS)("envelopes, several to a body, in order, in version %i", (version) => {
    const several = fc.array(envelopeOf(version), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(several, (envelopes) => {
        const body = Buffer.concat(envelopes.map((each) => encodeEnvelope(each, version)));
        const expected = envelopes.map((envelope) => ({ type: "envelope", envelope }));
        expect(decodeBody(body, from, to, version)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test("forwards and their replies", () => {
    fc.assert(
      fc.property(forwards, replies, (sent, answered) => {
        const body = Buffer.concat([encodeForwards(sent), encodeForwardReplies(answered)]);
        expect(decodeBody(body, from, to)).toEqual([
          { type: "forwards", forwards: sent },
          { type: "forwardReplies", replies: answered },
        ]);
      }),
    );
  });

  test.each([0, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1])(
    "the number %i",
    (number) => {
      const writer = new ByteWriter(1);
      writer.varint(number);
      writer.seal();
      expect(new ByteReader(writer.finish()).varint()).toBe(number);
    },
  );

  test.each([-1, 0.5, 2 ** 53, Number.NaN])("%d is not sent as a number", (number) => {
    expect(() => new ByteWriter(8).varint(number)).toThrow(/not a whole number/);
  });

  test("entry data does not keep the network buffer alive", () => {
    const entry: Entry = { term: 1, index: 8, kind: "normal", data: new Uint8Array([1, 2, 3]) };
    const body = encodeEnvelope(appendOf([entry]));
    const [parcel] = decodeBody(body, from, to);
    body.fill(0);
    expect(parcel).toMatchObject({ envelope: { message: { entries: [entry] } } });
  });
});

function appendOf(entries: readonly Entry[]): Envelope {
  const prev = { term: 1, index: (entries[0]?.index ?? 8) - 1 };
  const message: Message = { type: "append", from, to, term: 3, prev, commit: 4, entries };
  return { message, beacon: undefined };
}

describe("damage", () => {
  test("any flipped bit of any message is found", () => {
    fc.assert(
      fc.property(anyEnvelope, fc.nat(), ([version, envelope], at) => {
        const body = Buffer.from(encodeEnvelope(envelope, version));
        const bit = at % (body.length * 8);
        body[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => decodeBody(body, from, to, version)).toThrow(CodecError);
      }),
      { numRuns: 2000 },
    );
  });

  test("the error names the entry and both sums", () => {
    const data = new Uint8Array(20_000).fill(7);
    const entries = [8, 9].map((index): Entry => ({ term: 1, index, kind: "normal", data }));
    const body = encodeEnvelope(appendOf(entries));
    body[body.length - 1000]! ^= 0x10;
    expect(() => decodeBody(body, from, to)).toThrow(
      /^entry 9 fails its CRC-32: [0-9a-f]{8} written, [0-9a-f]{8} found$/,
    );
  });

  test("a body cut anywhere is found", () => {
    fc.assert(
      fc.property(anyEnvelope, fc.nat(), ([version, envelope], at) => {
        const body = encodeEnvelope(envelope, version);
        const length = 1 + (at % (body.length - 1));
        const cut = body.subarray(0, length);
        expect(() => decodeBody(cut, from, to, version)).toThrow(CodecError);
      }),
    );
  });

  test("arbitrary bytes throw a CodecError, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), version, (noise, version) => {
        expect(() => decodeBody(noise, from, to, version)).toThrow(CodecError);
      }),
      { numRuns: 5000 },
    );
  });

  test("a length that is not there is refused before anything is made of it", () => {
    const writer = new ByteWriter(16);
    writer.u8(11);
    writer.varint(1);
    writer.varint(1);
    writer.varint(2 ** 40);
    writer.seal();
    expect(() => decodeBody(writer.finish(), from, to)).toThrow(/1099511627776 bytes announced/);
  });

  const install = (index: number, ...named: string[]): Envelope => {
    const message: Message = { type: "installSnapshot", from, to, term: 3, index, sources: named };
    return { message, beacon: undefined };
  };

  test.each([0, 17])("%i sources of a snapshot are a bug, sent, and refused, received", (count) => {
    const named = Array<string>(count).fill("n");
    expect(() => encodeEnvelope(install(5, ...named))).toThrow(`${count} sources of a snapshot`);
    const writer = new ByteWriter(64);
    for (const number of [13, 3, 5, count]) writer.u8(number);
    for (const name of named) writer.bytes(Buffer.from(name));
    writer.seal();
    expect(() => decodeBody(writer.finish(), from, to)).toThrow(
      new CodecError(`${count} sources of a snapshot`),
    );
  });

  test.each([Buffer.alloc(0), Buffer.alloc(256, 97), Buffer.from([0xff])])(
    "a source that is no node id is refused",
    (name) => {
      const writer = new ByteWriter(300);
      for (const number of [13, 3, 5, 1]) writer.u8(number);
      writer.bytes(name);
      writer.seal();
      expect(() => decodeBody(writer.finish(), from, to)).toThrow(/^no node id: \d+ bytes$/);
    },
  );

  test("a priority beyond its range is a bug, sent, and refused, received", () => {
    const beacon = { ...BEACON, priority: 2 ** 31 };
    const envelope = { message: install(5, "n").message, beacon };
    expect(() => encodeEnvelope(envelope)).toThrow("a priority of 2147483648");
    const writer = new ByteWriter(64);
    for (const number of [14 + 128, 3, 1, 2]) writer.u8(number);
    writer.varint(2 ** 31);
    writer.raw(new Uint8Array(8));
    writer.seal();
    expect(() => decodeBody(writer.finish(), from, to)).toThrow("a priority of 2147483648");
  });

  test("entries with a gap are a bug of the sender", () => {
    const entries = [8, 10].map(
      (index): Entry => ({ term: 1, index, kind: "empty", data: new Uint8Array() }),
    );
    expect(() => encodeEnvelope(appendOf(entries))).toThrow(/entry 10 where 9 belongs/);
  });
});

const BEACON = {
  wallMs: 1_700_000_000_000,
  applied: 300,
  priority: 8,
  effectHash: "0123456789abcdef",
  diskLow: true,
  intakeClosed: true,
};

/** Bytes that other binaries have sent and will send: they never change. */
describe("a heartbeat with a beacon", () => {
  const message: Message = { type: "heartbeat", from, to, term: 5, commit: 299, round: 12 };
  const head = "8705" + "80d095ffbc31" + "ac02" + "08" + "0123456789abcdef";
  const VERSION_1 = `${head}ab020cb9089b95`;
  const version2 = (flags: string, seal: string) => `${head}${flags}ab020c${seal}`;

  test("of version 1 says nothing of disks", () => {
    const body = encodeEnvelope({ message, beacon: BEACON });
    expect(body.toString("hex")).toBe(VERSION_1);
    const beacon = { ...BEACON, diskLow: false, intakeClosed: false };
    expect(decodeBody(body, from, to)).toEqual([
      { type: "envelope", envelope: { message, beacon } },
    ]);
  });

  test.each([
    [false, false, version2("00", "e3e6dcbb")],
    [true, false, version2("01", "86816003")],
    [false, true, version2("02", "682ed511")],
    [true, true, version2("03", "0d4969a9")],
  ])("of version 2: disk low %s, intake closed %s", (diskLow, intakeClosed, hex) => {
    const envelope = { message, beacon: { ...BEACON, diskLow, intakeClosed } };
    expect(encodeEnvelope(envelope, 2).toString("hex")).toBe(hex);
    const body = Buffer.from(hex, "hex");
    expect(decodeBody(body, from, to, 2)).toEqual([{ type: "envelope", envelope }]);
    expect(() => decodeBody(body, from, to, 1)).toThrow(CodecError);
  });

  test("with flags that nobody knows is refused", () => {
    const writer = new ByteWriter(64);
    writer.raw(Buffer.from(version2("04", ""), "hex"));
    writer.seal();
    expect(() => decodeBody(writer.finish(), from, to, 2)).toThrow("flags of a beacon: 4");
  });

  test("is the same without a beacon in both versions", () => {
    const envelope = { message, beacon: undefined };
    const [one, two] = VERSIONS.map((version) => encodeEnvelope(envelope, version).toString("hex"));
    expect(one).toBe(two);
  });
});

describe("frames", () => {
  const path = new URL("../../../../proto/raft.proto", import.meta.url);
  const loaded = loadSync(path.pathname, { longs: Number })["raft.v1.Frame"];
  const frame = loaded as MessageTypeDefinition<object, { body: Buffer }>;

  test("are byte for byte what protobuf makes of them", () => {
    for (const length of [1, 100, 127, 128, 16_383, 16_384, 3_000_000]) {
      const parts = [Buffer.alloc(length - 1, 1), Buffer.from([2])];
      const expected = frame.serialize({ body: Buffer.concat(parts) });
      expect(packFrame(parts).equals(expected)).toBe(true);
      expect(Buffer.from(unpackFrame(expected)).equals(Buffer.concat(parts))).toBe(true);
    }
  });

  test("that hold anything else are refused", () => {
    const good = packFrame([Buffer.alloc(300, 1)]);
    const bad = [Buffer.alloc(0), good.subarray(1), good.subarray(0, -1), Buffer.from([0x0a])];
    bad.push(Buffer.concat([good, good]), Buffer.alloc(20, 0xff));
    for (const bytes of bad) expect(() => unpackFrame(bytes)).toThrow(CodecError);
  });

  test("every message type of the codec is in the proto file's table", () => {
    const text = readFileSync(path, "utf8");
    const types = ["preVote", "preVoteReply", "vote", "voteReply", "append", "appendReply"];
    types.push("heartbeat", "heartbeatReply", "readIndex", "readIndexReply");
    const tags = new Map(types.map((type, i) => [type, i + 1]));
    tags.set("installSnapshot", 13).set("timeoutNow", 14).set("lostEntries", 15);
    for (const [type, tag] of tags) {
      expect(text).toMatch(new RegExp(`^//\\s+${tag}\\s+${type}\\s`, "m"));
    }
  });
});
