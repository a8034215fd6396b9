/**
 * Reading the log while it changes. LevelDB's iterators see the database as of their creation, and
 * that happens in the same synchronous stretch as the look at where the log begins and ends: what
 * is cut or compacted away afterwards is still there for this read.
 */
import type { LogIndex } from "task-queue-raft";
import type { LogSlice } from "../ports.ts";
import { type Chain, decodeEntry, entryKey } from "./entry-record.ts";
import type { Level } from "./level.ts";
import { READ_AHEAD_BYTES, ROWS_MAX } from "./log-scan.ts";
import type { LogWriter } from "./log-writer.ts";
import { SliceReader } from "./slice-reader.ts";
import { StorageDamage } from "./storage-error.ts";

/** See `LogStore.read`. */
export async function readSlice(
  level: Level,
  { base, end, terms }: LogWriter,
  from: LogIndex,
  maxBytes: number,
): Promise<LogSlice> {
  const { last, chain } = end;
  if (from <= base.index) {
    return { prev: { term: base.term, index: base.index }, entries: [] };
  }
  if (from > last.index) {
    return { prev: last, entries: [] };
  }
  const prev = { term: terms.termAt(from - 1), index: from - 1 };
  const before = prev.index === base.index ? base.chain : undefined;
  const expected = { from, maxBytes, before, runs: terms.tail(from), last, chain };
  const reader = new SliceReader(expected, (what) => damage(level, what));
  const rows = level.iterator({
    gte: entryKey(from),
    lte: entryKey(last.index),
    highWaterMarkBytes: Math.min(maxBytes, READ_AHEAD_BYTES),
    fillCache: false,
  });
  try {
    let batch = await rows.nextv(ROWS_MAX);
    while (batch.length > 0 && reader.take(batch)) {
      batch = await rows.nextv(ROWS_MAX);
    }
  } finally {
    await rows.close();
  }
  reader.finish();
  return { prev, entries: reader.entries };
}

/** See `LogStore.chainAt`; `index` lies from base to last. An entry carries its predecessor's. */
export async function readChain(
  level: Level,
  { base, end }: LogWriter,
  index: LogIndex,
): Promise<Chain> {
  if (index === base.index || index === end.last.index) {
    return index === base.index ? base.chain : end.chain;
  }
  const next = index + 1;
  const key = entryKey(next);
  const rows = await level.iterator({ gte: key, lte: key, fillCache: false }).all();
  const value = rows[0]?.[1];
  const record = value === undefined ? `entry ${next} is missing` : decodeEntry(value, next);
  if (typeof record === "string") {
    throw damage(level, record);
  }
  return record.previous;
}

function damage(level: Level, what: string): StorageDamage {
  return new StorageDamage("log", { what, where: level.location });
}
