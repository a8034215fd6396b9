/**
 * The record that says where the log begins. It is durable before the first entry at or before it
 * is removed, so a crash at any moment leaves a log without a gap: what is still there of the
 * entries that are gone is never read, and this record says which ones they are.
 *
 *     version u8 | crc u32 | index u64 | term u64 | chain 8 | remains from u64 | to u64
 */
import { crc32 } from "node:zlib";
import type { LogIndex } from "task-queue-raft";
import type { LogBase } from "../ports.ts";
import { CHAIN_BYTES, EMPTY_BASE } from "./entry-record.ts";
import { readUint64, writeUint64 } from "./uint64.ts";

/** Entries `from..to` are gone, but some of their records may still be there. */
export interface Remains {
  readonly from: LogIndex;
  readonly to: LogIndex;
}

export interface BaseRecord extends LogBase {
  readonly remains: Remains | undefined;
}

/** A log that has never been compacted has no such record. */
export const FIRST_BASE: BaseRecord = { ...EMPTY_BASE, remains: undefined };

export const BASE_KEY: Buffer = Buffer.from("\u0000base");

const VERSION = 1;
const BODY_AT = 5;
const CHAIN_AT = BODY_AT + 16;
const REMAINS_AT = CHAIN_AT + CHAIN_BYTES;
const RECORD_BYTES = REMAINS_AT + 16;

export function encodeBase({ index, term, chain, remains }: BaseRecord): Buffer {
  const value = Buffer.alloc(RECORD_BYTES);
  value[0] = VERSION;
  writeUint64(value, index, BODY_AT);
  writeUint64(value, term, BODY_AT + 8);
  value.write(chain, CHAIN_AT, "hex");
  writeUint64(value, remains?.from ?? 0, REMAINS_AT);
  writeUint64(value, remains?.to ?? 0, REMAINS_AT + 8);
  value.writeUInt32BE(crc32(value.subarray(BODY_AT)), 1);
  return value;
}

/** The record, or why it is damaged, in words. */
export function decodeBase(value: Buffer): BaseRecord | string {
  if (value.length !== RECORD_BYTES || value[0] !== VERSION) {
    return "the record of where the log begins is cut short or of an unknown format version";
  }
  if (crc32(value.subarray(BODY_AT)) !== value.readUInt32BE(1)) {
    return "the record of where the log begins fails its checksum";
  }
  const from = readUint64(value, REMAINS_AT);
  return {
    index: readUint64(value, BODY_AT),
    term: readUint64(value, BODY_AT + 8),
    chain: value.toString("hex", CHAIN_AT, REMAINS_AT),
    remains: from === 0 ? undefined : { from, to: readUint64(value, REMAINS_AT + 8) },
  };
}
