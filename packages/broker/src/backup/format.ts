/**
 * The file of a backup: a header that people and programs can read by itself, the stream of a
 * snapshot as brokers send it to each other, and a digest over all of it.
 *
 *     "TQBACKUP" | version u16 | length u32 | header, JSON | crc32 u32 over all of that
 *     frames of the snapshot; see ../snapshots/format.ts
 *     SHA-256 over everything before it
 *
 * Numbers are big-endian. `docs/backups.md` says what stands in the header.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type StateCounts, TASK_STATES } from "../queue/index.ts";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { HEADER_BYTES_MAX } from "./limits.ts";

export const MAGIC = "TQBACKUP";
export const VERSION = 1;
/** Magic, version, length. */
export const FIXED_BYTES = 14;
export const CRC_BYTES = 4;
export const DIGEST_BYTES = 32;

/** What the file says of itself. */
export interface BackupHeader {
  readonly cluster_id: string;
  /** Who has taken it. */
  readonly node_id: string;
  /** 32 hex digits, drawn for this one. */
  readonly snapshot_id: string;
  /** The entry that the state includes last. */
  readonly index: number;
  readonly term: number;
  /** Cluster time after that entry, and the wall clock of the node; RFC 3339. */
  readonly cluster_time: string;
  readonly created_at: string;
  /** What the cluster works with. */
  readonly cluster_version: number;
  /** Of the program that has written it. */
  readonly program_version: string;
  readonly queues: number;
  /** In each state. */
  readonly tasks: StateCounts;
}

export function encodeHead(header: BackupHeader): Buffer {
  const body = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(FIXED_BYTES + body.length + CRC_BYTES);
  head.write(MAGIC, "latin1");
  head.writeUInt16BE(VERSION, MAGIC.length);
  head.writeUInt32BE(body.length, MAGIC.length + 2);
  head.set(body, FIXED_BYTES);
  const end = FIXED_BYTES + body.length;
  head.writeUInt32BE(crc32(head.subarray(0, end)), end);
  return head;
}

/** The bytes of a whole file, from the frames of its snapshot. */
export async function* encodeBackup(
  header: BackupHeader,
  frames: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const digest = createHash("sha256");
  const head = encodeHead(header);
  digest.update(head);
  yield head;
  for await (const frame of frames) {
    digest.update(frame);
    yield frame;
  }
  yield digest.digest();
}

/** How long the head is, from its first `FIXED_BYTES`. Throws `SnapshotDamage`. */
export function headBytes(fixed: Buffer): number {
  if (fixed.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw new SnapshotDamage("it does not begin as one");
  }
  const version = fixed.readUInt16BE(MAGIC.length);
  if (version !== VERSION) {
    throw new SnapshotDamage(
      `its format has version ${version}, this program knows ${VERSION}: use the one that wrote it`,
    );
  }
  const length = fixed.readUInt32BE(MAGIC.length + 2);
  if (length > HEADER_BYTES_MAX) throw new SnapshotDamage(`a header of ${length} bytes`);
  return FIXED_BYTES + length + CRC_BYTES;
}

/** The whole head. Throws `SnapshotDamage`. */
export function decodeHead(head: Buffer): BackupHeader {
  const end = head.length - CRC_BYTES;
  if (crc32(head.subarray(0, end)) !== head.readUInt32BE(end)) {
    throw new SnapshotDamage("its header fails its checksum");
  }
  const header = parse(head.toString("utf8", FIXED_BYTES, end));
  for (const name of TEXTS) {
    if (typeof header[name] !== "string") throw new SnapshotDamage(`its header lacks ${name}`);
  }
  const tasks = (header["tasks"] ?? {}) as Readonly<Record<string, unknown>>;
  const numbers = [...NUMBERS.map((name) => header[name]), ...TASK_STATES.map((it) => tasks[it])];
  if (!numbers.every((it) => Number.isSafeInteger(it) && (it as number) >= 0)) {
    throw new SnapshotDamage("its header lacks a number");
  }
  return header as unknown as BackupHeader;
}

const TEXTS = [
  "cluster_id",
  "node_id",
  "snapshot_id",
  "cluster_time",
  "created_at",
  "program_version",
] as const;
const NUMBERS = ["index", "term", "cluster_version", "queues"] as const;

function parse(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new SnapshotDamage("its header cannot be read", { cause });
  }
  throw new SnapshotDamage("its header cannot be read");
}
