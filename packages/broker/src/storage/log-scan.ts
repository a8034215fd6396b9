/**
 * The boot check of the log: every record is read and must be whole, in place, and chained to the
 * one before it, up to exactly where the end marker says. LevelDB itself skips damaged records
 * silently, so nothing less proves that the log is what was acknowledged. Memory stays bounded.
 */
import type { LogIndex } from "task-queue-raft";
import { decodeEnd, END_KEY, type EndMarker } from "./end-marker.ts";
import { CHAIN_START, type Chain, decodeEntry, indexOfKey } from "./entry-record.ts";
import type { Level } from "./level.ts";
import { StorageDamage } from "./storage-error.ts";
import { TermRuns } from "./term-runs.ts";

export interface ScannedLog {
  readonly end: EndMarker;
  readonly terms: TermRuns;
}

/** Bytes of records read ahead of the check. */
export const READ_AHEAD_BYTES = 1 << 20;

/** Rows handed over in one step, so that the check of small entries does not hold up the loop. */
export const ROWS_MAX = 256;

/** Undefined for a database without any record; throws `StorageDamage` for a damaged log. */
export async function scanLog(level: Level): Promise<ScannedLog | undefined> {
  const check = new LogCheck(level.location);
  const rows = level.iterator({ highWaterMarkBytes: READ_AHEAD_BYTES, fillCache: false });
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
  return check.finish();
}

class LogCheck {
  readonly #where: string;
  readonly #terms = new TermRuns();
  #end: EndMarker | undefined;
  #chain: Chain = CHAIN_START;
  #seen = false;

  constructor(where: string) {
    this.#where = where;
  }

  row(key: Buffer, value: Buffer): void {
    this.#seen = true;
    if (key.equals(END_KEY)) {
      this.#end = this.#sound(decodeEnd(value));
      return;
    }
    const index = indexOfKey(key);
    if (index === undefined) {
      throw this.damage(`there is a foreign record, key ${key.toString("hex")}`);
    }
    this.#entry(index, value);
  }

  finish(): ScannedLog | undefined {
    if (!this.#seen) {
      return undefined;
    }
    const end = this.#end;
    if (end === undefined) {
      throw this.damage("the end marker is missing");
    }
    const last = this.#terms.last;
    if (last.index !== end.last.index || last.term !== end.last.term) {
      const found = `${last.index} (term ${last.term})`;
      const marked = `${end.last.index} (term ${end.last.term})`;
      throw this.damage(`the last entry is ${found}, the end marker says ${marked}`);
    }
    if (end.chain !== this.#chain) {
      throw this.damage(`entry ${last.index} is not the one that was written last`);
    }
    return { end, terms: this.#terms };
  }

  damage(what: string, cause?: unknown): StorageDamage {
    return new StorageDamage("log", { what, where: this.#where }, cause);
  }

  #entry(index: LogIndex, value: Buffer): void {
    const last = this.#terms.last;
    if (index !== last.index + 1) {
      throw this.damage(`entry ${last.index + 1} is missing, entry ${index} follows`);
    }
    const record = this.#sound(decodeEntry(value, index));
    if (record.previous !== this.#chain || record.entry.term < last.term) {
      throw this.damage(`entry ${index} does not continue entry ${last.index}`);
    }
    this.#terms.append(record.entry);
    this.#chain = record.chain;
  }

  #sound<T>(decoded: T | string): T {
    if (typeof decoded === "string") {
      throw this.damage(decoded);
    }
    return decoded;
  }
}
