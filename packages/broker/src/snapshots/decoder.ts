/**
 * Reads one stream of a snapshot and checks all of it: the order of its parts, that keys ascend,
 * lengths, counts, digests. What it hands out is sound as far as it goes; only a stream that
 * reaches its trailer is a snapshot.
 */
import type { StateRow } from "../ports.ts";
import {
  type Checkpoint,
  extendDigest,
  FORMAT,
  FORMAT_VERSION,
  KIND,
  ROW_HEAD_BYTES,
  type SnapshotHeader,
  startOf,
} from "./format.ts";
import { type Frame, FrameReader, SnapshotDamage } from "./frame-reader.ts";
import { KEY_BYTES_MAX } from "./limits.ts";

export type SnapshotPart =
  | { readonly kind: "header"; readonly header: SnapshotHeader }
  | { readonly kind: "rows"; readonly rows: readonly StateRow[]; readonly reached: Checkpoint }
  | { readonly kind: "end" };

export class SnapshotDecoder {
  readonly #frames = new FrameReader();
  readonly #start: (header: SnapshotHeader, first: Checkpoint) => Checkpoint;
  #reached: Checkpoint | undefined;
  #ended = false;

  /**
   * `start` says where the rows of this stream go on, once its header tells of which snapshot they
   * are; `first`: where those of a whole one do.
   */
  constructor(start: (header: SnapshotHeader, first: Checkpoint) => Checkpoint) {
    this.#start = start;
  }

  /** Throws `SnapshotDamage`. */
  *push(piece: Uint8Array): Generator<SnapshotPart> {
    for (const frame of this.#frames.push(piece)) {
      if (this.#ended) throw new SnapshotDamage("it goes on after its end");
      yield this.#part(frame);
    }
  }

  /** The stream is over. Throws `SnapshotDamage` if it was cut short. */
  end(): void {
    if (!this.#ended || this.#frames.left > 0) throw new SnapshotDamage("it is cut short");
  }

  #part({ kind, body }: Frame): SnapshotPart {
    if (this.#reached === undefined) {
      if (kind !== KIND.header) throw new SnapshotDamage("it does not begin with a header");
      const header = decodeHeader(body);
      this.#reached = this.#start(header, startOf(body));
      return { kind: "header", header };
    }
    switch (kind) {
      case KIND.header:
        throw new SnapshotDamage("it has two headers");
      case KIND.rows: {
        const rows = decodeRows(body, this.#reached.lastKey);
        this.#reached = {
          lastKey: rows.at(-1)?.[0],
          rows: this.#reached.rows + rows.length,
          digest: extendDigest(this.#reached.digest, body),
        };
        return { kind: "rows", rows, reached: this.#reached };
      }
      case KIND.trailer:
        checkTrailer(body, this.#reached);
        this.#ended = true;
        return { kind: "end" };
    }
  }
}

function decodeHeader(body: Buffer): SnapshotHeader {
  const document = parse(body);
  if (document["format"] !== FORMAT) throw new SnapshotDamage("the header names another format");
  const { version, clusterId, id, index, term, chain, members } = document;
  if (version !== FORMAT_VERSION) {
    throw new SnapshotDamage(
      `its format has version ${version}, this node knows ${FORMAT_VERSION}`,
    );
  }
  if (typeof clusterId !== "string" || !isHex(id) || !isChain(chain)) {
    throw new SnapshotDamage("the header lacks a name");
  }
  if (!isNumber(index) || !isNumber(term) || index < 1 || term < 1) {
    throw new SnapshotDamage("the header names no entry");
  }
  if (typeof members !== "string" || members === "") {
    throw new SnapshotDamage("the header names no members");
  }
  const membership = new Uint8Array(Buffer.from(members, "base64"));
  return { clusterId, id, index, term, chain, membership };
}

function decodeRows(body: Buffer, after: Uint8Array | undefined): StateRow[] {
  const rows: StateRow[] = [];
  let last = after;
  for (let at = 0; at < body.length; ) {
    if (at + ROW_HEAD_BYTES > body.length) throw new SnapshotDamage("a row ends too early");
    const keyLength = body.readUInt16BE(at);
    const valueLength = body.readUInt32BE(at + 2);
    at += ROW_HEAD_BYTES;
    if (keyLength === 0 || keyLength > KEY_BYTES_MAX) {
      throw new SnapshotDamage(`a key of ${keyLength} bytes`);
    }
    if (at + keyLength + valueLength > body.length) {
      throw new SnapshotDamage("a row ends too early");
    }
    const key = new Uint8Array(body.subarray(at, at + keyLength));
    at += keyLength;
    const value = new Uint8Array(body.subarray(at, at + valueLength));
    at += valueLength;
    if (last !== undefined && Buffer.compare(last, key) >= 0) {
      throw new SnapshotDamage("its keys do not ascend");
    }
    rows.push([key, value]);
    last = key;
  }
  if (rows.length === 0) throw new SnapshotDamage("a frame without rows");
  return rows;
}

function checkTrailer(body: Buffer, reached: Checkpoint): void {
  const { rows, digest } = parse(body);
  if (rows !== reached.rows) {
    throw new SnapshotDamage(`${reached.rows} rows came, ${rows} were sent`);
  }
  if (digest !== reached.digest.toString("hex")) throw new SnapshotDamage("its digest differs");
}

function parse(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(body.toString("utf8"));
    if (typeof document === "object" && document !== null) {
      return document as Record<string, unknown>;
    }
  } catch (error) {
    throw new SnapshotDamage("a document of it cannot be read", { cause: error });
  }
  throw new SnapshotDamage("a document of it is none");
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{1,128}$/.test(value);
}

function isChain(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{16}$/.test(value);
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
