/** The stream as bytes: what goes in comes out, and whatever else comes in is refused in words. */
import { describe, expect, test } from "vitest";
import type { StateRow } from "../../src/ports.ts";
import { SnapshotDecoder, type SnapshotPart } from "../../src/snapshots/decoder.ts";
import {
  encodeHeader,
  encodeRows,
  encodeTrailer,
  frameCrc,
  KIND,
} from "../../src/snapshots/format.ts";
import { SnapshotDamage } from "../../src/snapshots/frame-reader.ts";
import { FRAME_BYTES_MAX, KEY_BYTES_MAX } from "../../src/snapshots/limits.ts";
import { decodeRequest, encodeRequest } from "../../src/snapshots/request.ts";
import { bytesOf } from "../queue/harness.ts";
import { MEMBERSHIP } from "./harness.ts";

const HEADER = {
  clusterId: "c0ffee",
  id: "ab".repeat(16),
  index: 7,
  term: 2,
  chain: "0123456789abcdef",
  membership: MEMBERSHIP,
};
const rowsOf = (...keys: string[]): StateRow[] =>
  keys.map((key) => [bytesOf(key), bytesOf(`value of ${key}`)]);

const HEAD = encodeHeader(HEADER);
const FIRST = encodeRows(rowsOf("a", "b"), HEAD.checkpoint);
const SECOND = encodeRows(rowsOf("c"), FIRST.checkpoint);
const WHOLE = Buffer.concat([
  HEAD.frame,
  FIRST.frame,
  SECOND.frame,
  encodeTrailer(SECOND.checkpoint),
]);

function decode(bytes: Uint8Array, pieceBytes = bytes.length): SnapshotPart[] {
  const decoder = new SnapshotDecoder((_header, first) => first);
  const parts: SnapshotPart[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    parts.push(...decoder.push(bytes.subarray(at, at + pieceBytes)));
  }
  decoder.end();
  return parts;
}

function framed(kind: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head[0] = kind;
  head.writeUInt32BE(body.length, 1);
  head.writeUInt32BE(frameCrc(kind, body), 5);
  return Buffer.concat([head, body]);
}

describe("a snapshot's stream", () => {
  test.each([1, 2, 3, 7, 8, 9, 10, 64, 1000])("is read in pieces of %i bytes", (pieceBytes) => {
    const parts = decode(WHOLE, pieceBytes);
    expect(parts.map(({ kind }) => kind)).toEqual(["header", "rows", "rows", "end"]);
    expect(parts[0]).toEqual({ kind: "header", header: HEADER });
    const rows = parts.flatMap((part) => (part.kind === "rows" ? part.rows : []));
    expect(rows).toEqual(rowsOf("a", "b", "c"));
  });

  test("goes on from a point in the middle and still vouches for the whole", () => {
    const rest = Buffer.concat([HEAD.frame, SECOND.frame, encodeTrailer(SECOND.checkpoint)]);
    const decoder = new SnapshotDecoder(() => FIRST.checkpoint);
    expect([...decoder.push(rest)].at(-1)).toEqual({ kind: "end" });
    const wrong = new SnapshotDecoder((_header, first) => first);
    expect(() => [...wrong.push(rest)]).toThrow("1 rows came, 3 were sent");
  });

  test("is refused with any one bit changed", () => {
    for (let at = 0; at < WHOLE.length; at++) {
      const damaged = Buffer.from(WHOLE);
      damaged[at]! ^= 1 << (at % 8);
      expect(() => decode(damaged), `byte ${at}`).toThrow(SnapshotDamage);
    }
  });

  test("is refused cut short, at any byte", () => {
    for (let length = 0; length < WHOLE.length; length++) {
      expect(() => decode(WHOLE.subarray(0, length)), `${length} bytes`).toThrow(SnapshotDamage);
    }
  });

  const header = HEAD.frame;
  const end = encodeTrailer(FIRST.checkpoint);
  const json = (value: object) => Buffer.from(JSON.stringify(value));
  const plain = { format: "tq-snapshot", version: 1, ...HEADER, members: "e30=" };
  const titled = (changes: object) => [framed(KIND.header, json({ ...plain, ...changes }))];
  const row = (keyLength: number, valueLength: number, body: string) => {
    const head = Buffer.alloc(6);
    head.writeUInt16BE(keyLength, 0);
    head.writeUInt32BE(valueLength, 2);
    return framed(KIND.rows, Buffer.concat([head, Buffer.from(body)]));
  };
  test.each<[string, Buffer[], string]>([
    ["without a header", [FIRST.frame], "does not begin with a header"],
    ["with two headers", [header, header], "two headers"],
    ["that goes on after its end", [header, FIRST.frame, end, FIRST.frame], "after its end"],
    [
      "with a frame left out",
      [header, SECOND.frame, encodeTrailer(SECOND.checkpoint)],
      "rows came",
    ],
    ["with a frame twice", [header, FIRST.frame, FIRST.frame], "do not ascend"],
    ["of another kind", [framed(9, Buffer.alloc(3))], "a frame of kind 9"],
    ["with an empty frame", [header, framed(KIND.rows, Buffer.alloc(0))], "without rows"],
    ["with an empty key", [header, row(0, 1, "x")], "a key of 0 bytes"],
    ["with a long key", [header, row(KEY_BYTES_MAX + 1, 0, "x")], "a key of"],
    ["with a value beyond the end", [header, row(1, 9, "xy")], "ends too early"],
    ["with half a row", [header, framed(KIND.rows, Buffer.alloc(4))], "ends too early"],
    ["of another format", [framed(KIND.header, json({ format: "tar" }))], "another format"],
    ["of version 2", [framed(KIND.header, json({ ...plain, version: 2 }))], "has version 2"],
    ["of no entry", [framed(KIND.header, json({ ...plain, index: -1 }))], "names no entry"],
    ["of half an entry", [framed(KIND.header, json({ ...plain, index: 1.5 }))], "names no entry"],
    ["without members", [framed(KIND.header, json({ ...plain, members: "" }))], "no members"],
    ["without a chain", titled({ chain: 7 }), "lacks a name"],
    ["with a short chain", titled({ chain: "ab" }), "lacks a name"],
    [
      "whose header is not the one that was sent",
      [encodeHeader({ ...HEADER, index: 8 }).frame, FIRST.frame, end],
      "digest differs",
    ],
    ["with a header of no JSON", [framed(KIND.header, Buffer.from("{"))], "cannot be read"],
    ["with a header of null", [framed(KIND.header, Buffer.from("null"))], "is none"],
  ])("%s is refused", (_what, frames, message) => {
    expect(() => decode(Buffer.concat(frames))).toThrow(message);
  });

  test("of an endless frame is refused before anything is kept for it", () => {
    const head = Buffer.alloc(9);
    head[0] = KIND.rows;
    head.writeUInt32BE(FRAME_BYTES_MAX + 1, 1);
    expect(() => decode(Buffer.concat([header, head]))).toThrow(`${FRAME_BYTES_MAX} are allowed`);
  });
});

describe("a request", () => {
  test("comes out as it went in", () => {
    const fresh = { minIndex: 5, resume: undefined };
    expect(decodeRequest(encodeRequest(fresh))).toEqual(fresh);
    const resume = { id: HEADER.id, lastKey: Buffer.from([0, 255, 7]) };
    expect(decodeRequest(encodeRequest({ minIndex: 0, resume }))).toEqual({ minIndex: 0, resume });
  });

  test.each(["", "x", "null", "[]", '{"version":2}', '{"version":1,"minIndex":-1}'])(
    "of %j is refused",
    (text) => {
      expect(() => decodeRequest(Buffer.from(text))).toThrow();
    },
  );
});
