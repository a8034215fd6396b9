/**
 * A snapshot as a stream of bytes, from one broker to another or into a file: the rows of the state
 * after one entry, and what a node needs to go on behind that entry. In frames:
 *
 *     kind u8 | length u32 | crc32 u32 over kind and body | body
 *
 *     header   JSON: format, cluster, snapshot id, index, term, chain, members
 *     rows     key length u16 | value length u32 | key | value, repeated; keys ascend
 *     trailer  JSON: number of rows, digest over the header and all of them
 *
 * The digest is a chain: SHA-256 over the header, then over the digest so far and the next frame's
 * rows. So a stream that breaks goes on from any frame, and still vouches for the whole at its end.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { LogIndex, Term } from "task-queue-raft";
import type { StateRow } from "../ports.ts";

export const FORMAT = "tq-snapshot";
export const FORMAT_VERSION = 1;

export const FRAME_HEAD_BYTES = 9;
export const ROW_HEAD_BYTES = 6;

/** First byte of a frame. */
export const KIND = { header: 1, rows: 2, trailer: 3 } as const;

export interface SnapshotHeader {
  readonly clusterId: string;
  /** Drawn by the source for this one view: 32 hex digits. */
  readonly id: string;
  /** The entry that the state includes last. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Hash over that entry and all before it, 16 hex digits; see `LogBase`. */
  readonly chain: string;
  /** Members in force at `index`, encoded. */
  readonly membership: Uint8Array;
}

/** How much of a snapshot has gone by: what a stream starts from, and what its trailer states. */
export interface Checkpoint {
  /** undefined: no row yet. */
  readonly lastKey: Uint8Array | undefined;
  readonly rows: number;
  readonly digest: Buffer;
}

/** Where the rows behind a header begin. */
export function startOf(headerBody: Uint8Array): Checkpoint {
  const digest = createHash("sha256").update(headerBody).digest();
  return { lastKey: undefined, rows: 0, digest };
}

/** A frame of rows, or the header before them. */
export interface Encoded {
  readonly frame: Buffer;
  /** How far it leads. */
  readonly checkpoint: Checkpoint;
}

export function encodeHeader(header: SnapshotHeader): Encoded {
  const { membership, ...rest } = header;
  const members = Buffer.from(membership).toString("base64");
  const document = { format: FORMAT, version: FORMAT_VERSION, ...rest, members };
  const body = Buffer.from(JSON.stringify(document));
  return { frame: frame(KIND.header, body), checkpoint: startOf(body) };
}

/** At least one row, in the order of their keys; all rows before them are those up to `after`. */
export function encodeRows(rows: readonly StateRow[], after: Checkpoint): Encoded {
  const body = Buffer.allocUnsafe(rows.reduce((sum, row) => sum + rowBytes(row), 0));
  let at = 0;
  for (const [key, value] of rows) {
    at = body.writeUInt16BE(key.length, at);
    at = body.writeUInt32BE(value.length, at);
    body.set(key, at);
    at += key.length;
    body.set(value, at);
    at += value.length;
  }
  const lastKey = rows.at(-1)?.[0];
  const digest = extendDigest(after.digest, body);
  const checkpoint = { lastKey, rows: after.rows + rows.length, digest };
  return { frame: frame(KIND.rows, body), checkpoint };
}

export function encodeTrailer({ rows, digest }: Checkpoint): Buffer {
  const document = { rows, digest: digest.toString("hex") };
  return frame(KIND.trailer, Buffer.from(JSON.stringify(document)));
}

export function rowBytes([key, value]: StateRow): number {
  return ROW_HEAD_BYTES + key.length + value.length;
}

export function extendDigest(digest: Buffer, body: Uint8Array): Buffer {
  return createHash("sha256").update(digest).update(body).digest();
}

export function frameCrc(kind: number, body: Uint8Array): number {
  return crc32(body, crc32(Uint8Array.of(kind)));
}

function frame(kind: number, body: Buffer): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  head[0] = kind;
  head.writeUInt32BE(body.length, 1);
  head.writeUInt32BE(frameCrc(kind, body), 5);
  return Buffer.concat([head, body]);
}
