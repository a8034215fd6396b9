/**
 * The queue machine's records in LevelDB. A flush is one atomic, synced batch of the records that
 * changed and a numbered flush record, so that the state on disk is the state after exactly one
 * log index. A damaged record throws: it never means "absent". Stops at its first error.
 */
import assert from "node:assert/strict";
import {
  type FlushMark,
  type KeyRange,
  type StateRow,
  type StateStore,
  type StateView,
  StoreUnavailable,
} from "../ports.ts";
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
import { Gate } from "./gate.ts";
import { type Level, type OpenMode, openLevel } from "./level.ts";
import {
  FLUSHES_FROM,
  flushKey,
  RECORDS_FROM,
  recordKey,
  sequenceOfKey,
  unwrapValue,
  wrapValue,
} from "./state-record.ts";
import { type LevelSnapshot, LevelStateView, scanRows, VIEWS_MAX } from "./state-view.ts";
import { StorageDamage } from "./storage-error.ts";

export interface StateStoreOptions {
  readonly mode: OpenMode;
  /** Bytes, 16 MiB by default. */
  readonly writeBufferSize?: number | undefined;
  /** Bytes, 32 MiB by default. */
  readonly cacheSize?: number;
}

/** First bytes of keys. */
const KINDS = 0x80;
/** Longer than the keys of records begin with it. */
const BEHIND_ALL = new Array<number>(64).fill(0xff);
const FIRST_KEY = Buffer.from([0]);
const LAST_KEY = Buffer.from([0xff]);

interface AwaitingView {
  readonly resolve: (view: StateView) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens the state and checks LevelDB's files and the sequence of the flushes. Throws
 * `StorageDamage`, `StorageFault` or `DataDirError`. Compressed (Snappy): records stay for weeks,
 * and JSON payloads shrink to a third.
 */
export async function openStateStore(
  directory: string,
  options: StateStoreOptions,
): Promise<LevelStateStore> {
  const level = await openStateLevel(directory, options);
  try {
    return new LevelStateStore(level, await newestFlush(level, options.mode));
  } catch (error) {
    await level.close();
    throw error;
  }
}

/** The database of a state, whatever is in it. */
export async function openStateLevel(
  directory: string,
  options: StateStoreOptions,
): Promise<Level> {
  return await openLevel("state", directory, options.mode, {
    compression: true,
    writeBufferSize: options.writeBufferSize ?? 16 << 20,
    cacheSize: options.cacheSize ?? 32 << 20,
  });
}

export class LevelStateStore implements StateStore {
  readonly #level: Level;
  readonly #stop = new FailStop("state");
  readonly #gate = new Gate("the state");
  #newest: FlushRecord;
  #flushing = false;
  /** Those who asked for a view while a flush was being written. */
  #awaitingView: AwaitingView[] = [];
  /** Open ones. */
  #views = 0;

  /** Use `openStateStore`. */
  constructor(level: Level, newest: FlushRecord) {
    this.#level = level;
    this.#newest = newest;
  }

  get mark(): FlushMark {
    return this.#newest.mark;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#gate.check();
    return this.#stop.runSync("get", () => {
      const prefixed = recordKey(key);
      const value = this.#level.getSync(prefixed);
      return value === undefined ? undefined : this.#unwrap(prefixed, value);
    });
  }

  async load(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await this.#run("load", async () => {
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
      await this.#run("flush", () => this.#write(flush, mark));
    } catch (error) {
      for (const { reject } of this.#awaitingView.splice(0)) {
        reject(error as Error);
      }
      throw error;
    } finally {
      this.#flushing = false;
    }
  }

  async scan(range: KeyRange, limit: number): Promise<readonly StateRow[]> {
    return await this.#run("scan", () => this.#rows(range, limit));
  }

  /** As of the newest flush: at once, or when the one being written is done. */
  async view(): Promise<StateView> {
    if (this.#views + this.#awaitingView.length >= VIEWS_MAX) {
      throw new StoreUnavailable(`at most ${VIEWS_MAX} views of the state may be open`);
    }
    return await this.#gate.run(async () => {
      this.#stop.check();
      if (!this.#flushing) {
        return this.#viewNow();
      }
      return await new Promise<StateView>((resolve, reject) => {
        this.#awaitingView.push({ resolve, reject });
      });
    });
  }

  async stats(): Promise<Readonly<Record<string, number>>> {
    return {
      memory_bytes: Number(this.#level.getProperty("leveldb.approximate-memory-usage")),
      ...levelSizes(this.#level.getProperty("leveldb.stats")),
    };
  }

  /** One kind of record at a time: a store that is to be closed waits for no more than that. */
  async compact(): Promise<{ readonly beforeBytes: number; readonly afterBytes: number }> {
    const size = () => this.#run("size", () => this.#level.approximateSize(FIRST_KEY, LAST_KEY));
    const beforeBytes = await size();
    for (let kind = 0; kind < KINDS; kind++) {
      const [from, to] = [recordKey([kind]), recordKey([kind, ...BEHIND_ALL])];
      await this.#run("compact", () => this.#level.compactRange(from, to));
    }
    return { beforeBytes, afterBytes: await size() };
  }

  /** Views end with the store. */
  async close(): Promise<void> {
    await this.#gate.close();
    await this.#level.close();
  }

  async #run<T>(operation: string, action: () => Promise<T>): Promise<T> {
    return await this.#gate.run(() => this.#stop.run(operation, action));
  }

  #viewNow(): StateView {
    const snapshot = this.#stop.runSync("view", () => this.#level.snapshot());
    this.#views += 1;
    const scan = (range: KeyRange, limit: number) =>
      this.#run("scan", () => this.#rows(range, limit, snapshot));
    return new LevelStateView(this.mark, scan, async () => {
      this.#views -= 1;
      await snapshot.close();
    });
  }

  #rows(range: KeyRange, limit: number, snapshot?: LevelSnapshot): Promise<readonly StateRow[]> {
    const unwrap = (prefixed: Buffer, value: Buffer) => this.#unwrap(prefixed, value);
    return scanRows(this.#level, range, limit, unwrap, snapshot);
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
    // Here, before the next flush can begin: the database is what the newest mark says.
    for (const { resolve } of this.#awaitingView.splice(0)) {
      resolve(this.#viewNow());
    }
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
function levelSizes(table: string): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const [, level, files, megabytes] of table.matchAll(/^ +(\d+) +(\d+) +(\d+) /gm)) {
    sizes[`level_${level}_files`] = Number(files);
    sizes[`level_${level}_mb`] = Number(megabytes);
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
