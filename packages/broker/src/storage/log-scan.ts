/**
 * The boot check of the log: every record is read and must be whole, in place, and chained to the
 * one before it, from where the base record says to exactly where the end marker says. LevelDB
 * itself skips damaged records silently, so nothing less proves that the log is what was
 * acknowledged. Memory stays bounded; what is left of entries that are gone is not read.
 */
import type { LogIndex } from "task-queue-raft";
import type { EndMarker } from "./end-marker.ts";
import { type Chain, decodeEntry, entryKey, indexOfKey } from "./entry-record.ts";
import type { Level } from "./level.ts";
import type { BaseRecord } from "./log-base.ts";
import type { LogBounds } from "./log-bounds.ts";
import { LogSizes } from "./log-sizes.ts";
import { StorageDamage } from "./storage-error.ts";
import { TermRuns } from "./term-runs.ts";

/** What is known of a log without reading it. */
export interface ScannedLog extends LogBounds {
  readonly terms: TermRuns;
  readonly sizes: LogSizes;
}

/** Bytes of records read ahead of the check. */
export const READ_AHEAD_BYTES = 1 << 20;

/** Rows handed over in one step, so that the check of small entries does not hold up the loop. */
export const ROWS_MAX = 256;

/** A log without entries behind `base`. */
export function emptyLog({ base, end }: LogBounds): ScannedLog {
  return { base, end, terms: new TermRuns(base), sizes: new LogSizes(base.index) };
}

/** Throws `StorageDamage` for a log that is not what was acknowledged. */
export async function scanLog(level: Level, bounds: LogBounds): Promise<ScannedLog> {
  const check = new LogCheck(level.location, bounds.base);
  const rows = level.iterator({
    gt: entryKey(bounds.base.index),
    highWaterMarkBytes: READ_AHEAD_BYTES,
    fillCache: false,
  });
  try {
    let batch = await rows.nextv(ROWS_MAX);
    while (batch.length > 0) {
      for (const [key, value] of batch) {
        check.row(key, value);
      }
      batch = await rows.nextv(ROWS_MAX);
    }
  } catch (error) {
    throw error instanceof StorageDamage ? error : check.damage("it cannot be read", error);
  } finally {
    await rows.close();
  }
  check.finish(bounds.end);
  return { ...bounds, terms: check.terms, sizes: check.sizes };
}

class LogCheck {
  readonly terms: TermRuns;
  readonly sizes: LogSizes;
  readonly #where: string;
  #chain: Chain;

  constructor(where: string, base: BaseRecord) {
    this.#where = where;
    this.#chain = base.chain;
    this.terms = new TermRuns(base);
    this.sizes = new LogSizes(base.index);
  }

  row(key: Buffer, value: Buffer): void {
    const index = indexOfKey(key);
    if (index === undefined) {
      throw this.damage(`there is a foreign record, key ${key.toString("hex")}`);
    }
    this.#entry(index, value);
  }

  finish(end: EndMarker): void {
    const last = this.terms.last;
    if (last.index !== end.last.index || last.term !== end.last.term) {
      const found = `${last.index} (term ${last.term})`;
      const marked = `${end.last.index} (term ${end.last.term})`;
      throw this.damage(`the last entry is ${found}, the end marker says ${marked}`);
    }
    if (end.chain !== this.#chain) {
      throw this.damage(`entry ${last.index} is not the one that was written last`);
    }
  }

  damage(what: string, cause?: unknown): StorageDamage {
    return new StorageDamage("log", { what, where: this.#where }, cause);
  }

  #entry(index: LogIndex, value: Buffer): void {
    const last = this.terms.last;
    if (index !== last.index + 1) {
      throw this.damage(`entry ${last.index + 1} is missing, entry ${index} follows`);
    }
    const record = decodeEntry(value, index);
    if (typeof record === "string") {
      throw this.damage(record);
    }
    if (record.previous !== this.#chain || record.entry.term < last.term) {
      throw this.damage(`entry ${index} does not continue entry ${last.index}`);
    }
    this.terms.append(record.entry);
    this.sizes.append(record.entry.data.length);
    this.#chain = record.chain;
  }
}
