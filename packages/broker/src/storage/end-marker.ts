/**
 * The record that says where the log ends, rewritten in the same atomic batch as every append. It
 * makes a lost or left-over tail visible, and it lists the entries that were cut away on purpose,
 * so that boot can tell "a leader made us drop it" from "the disk lost it".
 *
 *     version u8 | crc u32 | index u64 | term u64 | chain 8 | count u8 | (term, from, to: u64)*
 */
import { crc32 } from "node:zlib";
import type { EntryId } from "task-queue-raft";
import { CHAIN_BYTES, CHAIN_START, type Chain } from "./entry-record.ts";
import type { TermRun } from "./term-runs.ts";
import { readUint64, writeUint64 } from "./uint64.ts";

export interface EndMarker {
  readonly last: EntryId;
  readonly chain: Chain;
  /** Entries cut away and not written again, oldest first, at most `DROPPED_MAX` runs. */
  readonly dropped: readonly TermRun[];
}

export const EMPTY_END: EndMarker = {
  last: { term: 0, index: 0 },
  chain: CHAIN_START,
  dropped: [],
};

/**
 * Only cuts since the last flush matter, and a flush follows every commit within a second: beyond
 * this many a node may suspect a loss where there is none, never the reverse.
 */
export const DROPPED_MAX = 64;

export const END_KEY: Buffer = Buffer.from("\u0000end");

const VERSION = 1;
const BODY_AT = 5;
const CHAIN_AT = BODY_AT + 16;
const COUNT_AT = CHAIN_AT + CHAIN_BYTES;
const RUNS_AT = COUNT_AT + 1;
const RUN_BYTES = 24;

export function encodeEnd(end: EndMarker): Buffer {
  const runs = end.dropped.slice(-DROPPED_MAX);
  const value = Buffer.alloc(RUNS_AT + runs.length * RUN_BYTES);
  value[0] = VERSION;
  writeUint64(value, end.last.index, BODY_AT);
  writeUint64(value, end.last.term, BODY_AT + 8);
  value.write(end.chain, CHAIN_AT, "hex");
  value[COUNT_AT] = runs.length;
  for (const [ordinal, run] of runs.entries()) {
    const at = RUNS_AT + ordinal * RUN_BYTES;
    writeUint64(value, run.term, at);
    writeUint64(value, run.from, at + 8);
    writeUint64(value, run.to, at + 16);
  }
  value.writeUInt32BE(crc32(value.subarray(BODY_AT)), 1);
  return value;
}

/** The marker, or why it is damaged, in words. */
export function decodeEnd(value: Buffer): EndMarker | string {
  if (value.length < RUNS_AT || value[0] !== VERSION) {
    return "the end marker is cut short or of an unknown format version";
  }
  const count = value[COUNT_AT]!;
  const whole = value.length === RUNS_AT + count * RUN_BYTES;
  if (!whole || crc32(value.subarray(BODY_AT)) !== value.readUInt32BE(1)) {
    return "the end marker fails its checksum";
  }
  const dropped = Array.from({ length: count }, (_, ordinal): TermRun => {
    const at = RUNS_AT + ordinal * RUN_BYTES;
    return {
      term: readUint64(value, at),
      from: readUint64(value, at + 8),
      to: readUint64(value, at + 16),
    };
  });
  const last = { term: readUint64(value, BODY_AT + 8), index: readUint64(value, BODY_AT) };
  return { last, chain: value.toString("hex", CHAIN_AT, COUNT_AT), dropped };
}
