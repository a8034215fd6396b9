/**
 * The queue machine's records in LevelDB. A flush is one atomic, synced batch of the records that
 * changed and a numbered flush record, so that the state on disk is the state after exactly one
 * log index. A damaged record throws: it never means "absent". Stops at its first error.
 */
import assert from "node:assert/strict";
import type { FlushMark, KeyRange, StateStore } from "../ports.ts";
import type { Flush } from "../queue/records.ts";
import { FailStop } from "./fail-stop.ts";
import {
  decodeFlush,
  encodeFlush,
  FLUSHES_KEPT,
  type FlushRecord,
  flushesDamage,
  NO_MARK,
} from "./flush-record.ts";
import { type Level, type OpenMode, openLevel } from "./level.ts";
import {
  FLUSHES_FROM,
  flushKey,
  keyOfRecord,
  RECORDS_FROM,
  recordKey,
  sequenceOfKey,
  unwrapValue,
  wrapValue,
} from "./state-record.ts";
import { StorageDamage } from "./storage-error.ts";

export interface StateStoreOptions {
  readonly mode: OpenMode;
  /** Bytes, 16 MiB by default. */
  readonly writeBufferSize?: number;
  /** Bytes, 32 MiB by default. */
  readonly cacheSize?: number;
}

/** Bytes read ahead by a scan. */
const SCAN_AHEAD_BYTES = 1 << 20;
const SCAN_ROWS_MAX = 1000;

type Row = readonly [Uint8Array, Uint8Array];

/**
 * Opens the state and checks LevelDB's files and the sequence of the flushes. Throws
 * `StorageDamage`, `StorageFault` or `DataDirError`. Compressed (Snappy): records stay for weeks,
 * and JSON payloads shrink to a third.
 */
export async function openStateStore(
  directory: string,
  options: StateStoreOptions,
): Promise<LevelStateStore> {
  const level = await openLevel("state", directory, options.mode, {
    compression: true,
    writeBufferSize: options.writeBufferSize ?? 16 << 20,
    cacheSize: options.cacheSize ?? 32 << 20,
  });
  try {
    return new LevelStateStore(level, await newestFlush(level, options.mode));
  } catch (error) {
    await level.close();
    throw error;
  }
}

export class LevelStateStore implements StateStore {
  readonly #level: Level;
  readonly #stop = new FailStop("state");
  #newest: FlushRecord;
  #flushing = false;

  /** Use `openStateStore`. */
  constructor(level: Level, newest: FlushRecord) {
    this.#level = level;
    this.#newest = newest;
  }

  get mark(): FlushMark {
    return this.#newest.mark;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#stop.runSync("get", () => {
      const prefixed = recordKey(key);
      const value = this.#level.getSync(prefixed);
      return value === undefined ? undefined : this.#unwrap(prefixed, value);
    });
  }

  async load(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#stop.run("load", async () => {
      const prefixed = recordKey(key);
      const value = await this.#level.get(prefixed);
      return value === undefined ? undefined : this.#unwrap(prefixed, value);
    });
  }

  async flush(flush: Flush, mark: FlushMark): Promise<void> {
    assert(!this.#flushing, "a flush is already running");
    assert(flush.applied === mark.applied, `flush of ${flush.applied}, mark of ${mark.applied}`);
    assert(mark.applied >= this.mark.applied, `flush goes back to entry ${mark.applied}`);
    this.#flushing = true;
    try {
      await this.#stop.run("flush", () => this.#write(flush, mark));
    } finally {
      this.#flushing = false;
    }
  }

  async scan(range: KeyRange, limit: number): Promise<readonly Row[]> {
    return await this.#stop.run("scan", async () => {
      const rows = this.#level.iterator({
        gte: recordKey(range.gte),
        lt: recordKey(range.lt),
        reverse: range.reverse ?? false,
        limit,
        highWaterMarkBytes: SCAN_AHEAD_BYTES,
        fillCache: false,
      });
      const found: Row[] = [];
      try {
        let batch = await rows.nextv(SCAN_ROWS_MAX);
        while (batch.length > 0) {
          found.push(...batch.map(([key, value]) => this.#row(key, value)));
          batch = await rows.nextv(SCAN_ROWS_MAX);
        }
      } finally {
        await rows.close();
      }
      return found;
    });
  }

  async stats(): Promise<Readonly<Record<string, string>>> {
    return {
      memory_bytes: this.#level.getProperty("leveldb.approximate-memory-usage"),
      ...levelSizes(this.#level.getProperty("leveldb.stats")),
    };
  }

  async close(): Promise<void> {
    await this.#level.close();
  }

  async #write(flush: Flush, mark: FlushMark): Promise<void> {
    const sequence = this.#newest.sequence + 1;
    const batch = this.#level.batch();
    for (const { key, value } of flush.writes) {
      const prefixed = recordKey(key);
      if (value === undefined) {
        batch.del(prefixed);
      } else {
        batch.put(prefixed, wrapValue(prefixed, value));
      }
    }
    const newest = { sequence, mark: { ...mark, membership: mark.membership.slice() } };
    batch.put(flushKey(sequence), encodeFlush(newest));
    if (sequence >= FLUSHES_KEPT) {
      batch.del(flushKey(sequence - FLUSHES_KEPT));
    }
    await batch.write({ sync: true });
    this.#newest = newest;
  }

  #row(prefixed: Buffer, value: Buffer): Row {
    return [keyOfRecord(prefixed), this.#unwrap(prefixed, value)];
  }

  #unwrap(prefixed: Buffer, value: Buffer): Uint8Array {
    const body = unwrapValue(prefixed, value);
    if (body === undefined) {
      const what = `the record ${prefixed.toString("hex")} fails its checksum`;
      throw new StorageDamage("state", { what, where: this.#level.location });
    }
    return body;
  }
}

/**
 * From LevelDB's own table, which has a line for each level: number, files, megabytes, and more.
 */
function levelSizes(table: string): Record<string, string> {
  const sizes: Record<string, string> = {};
  for (const [, level, files, megabytes] of table.matchAll(/^ +(\d+) +(\d+) +(\d+) /gm)) {
    sizes[`level_${level}`] = `${files} files, ${megabytes} MB`;
  }
  return sizes;
}

/** The newest flush record of a sound sequence; writes number 0 into a new database. */
async function newestFlush(level: Level, mode: OpenMode): Promise<FlushRecord> {
  const records = await readFlushes(level);
  if (records.length === 0 && mode === "create" && (await isEmpty(level))) {
    const first = { sequence: 0, mark: NO_MARK };
    await level.batch().put(flushKey(0), encodeFlush(first)).write({ sync: true });
    return first;
  }
  const what = flushesDamage(records);
  if (what !== undefined) {
    throw new StorageDamage("state", { what, where: level.location });
  }
  return records.at(-1)!;
}

async function readFlushes(level: Level): Promise<readonly FlushRecord[]> {
  const where = level.location;
  const range = { gte: FLUSHES_FROM, lt: RECORDS_FROM, limit: FLUSHES_KEPT + 1 };
  const rows = await level
    .iterator(range)
    .all()
    .catch((error) => {
      throw new StorageDamage("state", { what: "it cannot be read", where }, error);
    });
  return rows.map(([key, value]) => {
    const sequence = sequenceOfKey(key);
    const record = sequence === undefined ? "a foreign record" : decodeFlush(value, sequence);
    if (typeof record === "string") {
      throw new StorageDamage("state", { what: record, where });
    }
    return record;
  });
}

async function isEmpty(level: Level): Promise<boolean> {
  return (await level.keys({ limit: 1 }).all()).length === 0;
}
