/**
 * What every flush leaves behind: its number and its mark, written in the same atomic batch as
 * the records. The newest is the state's mark. The numbers of those kept must have no gap: a gap
 * means that LevelDB lost a whole batch and kept a later one.
 *
 *     version u8 | crc u32 | sequence u64 | applied u64 | durable index u64 | term u64 | membership
 */
import { crc32 } from "node:zlib";
import type { FlushMark } from "../ports.ts";
import { readUint64, writeUint64 } from "./uint64.ts";

export interface FlushRecord {
  readonly sequence: number;
  readonly mark: FlushMark;
}

/** How many of the newest flush records are kept. */
export const FLUSHES_KEPT = 64;

export const NO_MARK: FlushMark = {
  applied: 0,
  logDurable: { term: 0, index: 0 },
  membership: new Uint8Array(0),
};

const VERSION = 1;
const BODY_AT = 5;
const MEMBERSHIP_AT = BODY_AT + 32;

export function encodeFlush({ sequence, mark }: FlushRecord): Buffer {
  const value = Buffer.allocUnsafe(MEMBERSHIP_AT + mark.membership.length);
  value[0] = VERSION;
  writeUint64(value, sequence, BODY_AT);
  writeUint64(value, mark.applied, BODY_AT + 8);
  writeUint64(value, mark.logDurable.index, BODY_AT + 16);
  writeUint64(value, mark.logDurable.term, BODY_AT + 24);
  value.set(mark.membership, MEMBERSHIP_AT);
  value.writeUInt32BE(crc32(value.subarray(BODY_AT)), 1);
  return value;
}

/** The record, or why it is damaged, in words. */
export function decodeFlush(value: Buffer, sequence: number): FlushRecord | string {
  if (value.length < MEMBERSHIP_AT || value[0] !== VERSION) {
    return `flush record ${sequence} is cut short or of an unknown format version`;
  }
  const whole = crc32(value.subarray(BODY_AT)) === value.readUInt32BE(1);
  if (!whole || readUint64(value, BODY_AT) !== sequence) {
    return `flush record ${sequence} fails its checksum`;
  }
  const mark: FlushMark = {
    applied: readUint64(value, BODY_AT + 8),
    logDurable: {
      term: readUint64(value, BODY_AT + 24),
      index: readUint64(value, BODY_AT + 16),
    },
    membership: new Uint8Array(value.subarray(MEMBERSHIP_AT)),
  };
  return { sequence, mark };
}

/** Why these records, in key order, cannot be what the last flushes left, or undefined. */
export function flushesDamage(records: readonly FlushRecord[]): string | undefined {
  const newest = records.at(-1);
  if (newest === undefined) {
    return "there is no flush record";
  }
  const oldest = Math.max(0, newest.sequence - FLUSHES_KEPT + 1);
  for (const [ordinal, { sequence, mark }] of records.entries()) {
    if (sequence !== oldest + ordinal) {
      return `flush ${oldest + ordinal} is missing, flush ${sequence} is there`;
    }
    const before = records[ordinal - 1];
    if (before !== undefined && mark.applied < before.mark.applied) {
      return `flush ${sequence} goes back from entry ${before.mark.applied} to ${mark.applied}`;
    }
  }
  const complete = records.length === newest.sequence - oldest + 1;
  return complete ? undefined : `flush ${newest.sequence} is not the last one`;
}
