/**
 * The replicated log in LevelDB, one value per entry. Appends are carried out one at a time in the
 * order of the calls; those that wait behind a running write go together in the next one. A cut
 * and what follows it are one atomic batch, so a crash leaves the old log or the new, no hole.
 * It must never go on after an error (see `FailStop`).
 */
import assert from "node:assert/strict";
import type { Entry, EntryId, LogIndex, Term } from "task-queue-raft";
import type { LogBatch, LogSlice, LogStore } from "../ports.ts";
import { EMPTY_END, END_KEY, type EndMarker, encodeEnd } from "./end-marker.ts";
import { type Chain, decodeEntry, encodeEntry, entryKey } from "./entry-record.ts";
import { FailStop } from "./fail-stop.ts";
import { type Level, type OpenMode, openLevel } from "./level.ts";
import { READ_AHEAD_BYTES, ROWS_MAX, scanLog } from "./log-scan.ts";
import { SliceReader } from "./slice-reader.ts";
import { StorageDamage } from "./storage-error.ts";
import { holds, subtract, type TermRun, TermRuns } from "./term-runs.ts";
import { syncWalFiles } from "./wal-files.ts";

export interface LogStoreOptions {
  readonly mode: OpenMode;
  /** Bytes, 16 MiB by default: fewer tables, and still replayed in well under a second. */
  readonly writeBufferSize?: number;
}

/** Bytes of entries that waiting appends may share one write for. */
const COALESCE_BYTES = 4 << 20;

interface Job {
  readonly batch: LogBatch;
  readonly sync: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens the log and checks all of it: LevelDB's files, then every entry. Throws `StorageDamage`,
 * `StorageFault` or `DataDirError`. No compression: entries are read rarely and removed soon, so it
 * would only cost processor time.
 */
export async function openLogStore(
  directory: string,
  options: LogStoreOptions,
): Promise<LevelLogStore> {
  const level = await openLevel("log", directory, options.mode, {
    compression: false,
    writeBufferSize: options.writeBufferSize ?? 16 << 20,
    cacheSize: 8 << 20,
  });
  try {
    const scanned = await scanLog(level);
    if (scanned !== undefined) {
      return new LevelLogStore(level, scanned.end, scanned.terms);
    }
    if (options.mode === "existing") {
      throw new StorageDamage("log", { what: "it is empty", where: directory });
    }
    await level.batch().put(END_KEY, encodeEnd(EMPTY_END)).write({ sync: true });
    return new LevelLogStore(level, EMPTY_END, new TermRuns());
  } catch (error) {
    await level.close();
    throw error;
  }
}

export class LevelLogStore implements LogStore {
  readonly #level: Level;
  readonly #terms: TermRuns;
  readonly #stop = new FailStop("log");
  #end: EndMarker;
  #jobs: Job[] = [];
  #pump: Promise<void> | undefined;
  /** Settles when the cut that is being written is done. */
  #cutting: Promise<void> | undefined;
  /** Something was written without sync since the last sync. */
  #unsynced = false;
  #closed = false;

  /** Use `openLogStore`. */
  constructor(level: Level, end: EndMarker, terms: TermRuns) {
    this.#level = level;
    this.#end = end;
    this.#terms = terms;
  }

  get last(): EntryId {
    return this.#end.last;
  }

  /** The term of the entry at `index`, 0 if there is none. */
  termAt(index: LogIndex): Term {
    return this.#terms.termAt(index);
  }

  /** True if this very entry was cut away on purpose and has not been written again. */
  dropped(id: EntryId): boolean {
    return holds(this.#end.dropped, id);
  }

  append(batch: LogBatch, sync: boolean): Promise<void> {
    if (this.#closed) {
      return Promise.reject(new Error("the log is closed"));
    }
    return new Promise((resolve, reject) => {
      this.#jobs.push({ batch, sync, resolve, reject });
      this.#pump ??= this.#work();
    });
  }

  sync(): Promise<void> {
    return this.append({ truncateFrom: undefined, entries: [] }, true);
  }

  /**
   * `prev` is the entry before `from`. If the log has meanwhile been cut to before that, the
   * slice is empty and `prev` is the last entry: the caller compares `prev.index` with its own.
   */
  async read(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    if (!Number.isSafeInteger(from) || from < 1) {
      throw new RangeError(`log read from ${from}: the first entry has index 1`);
    }
    // A cut that LevelDB has made but `#end` does not know yet would look like a missing entry.
    while (this.#cutting !== undefined) {
      await this.#cutting;
    }
    if (this.#closed) {
      throw new Error("the log is closed");
    }
    return await this.#stop.run("read", () => this.#slice(from, maxBytes));
  }

  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    await this.#pump;
    await this.#level.close();
  }

  async #work(): Promise<void> {
    while (this.#jobs.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#stop.run("append", () => this.#write(group));
        for (const job of group) {
          job.resolve();
        }
      } catch (error) {
        for (const job of group) {
          job.reject(error as Error);
        }
      }
    }
    this.#pump = undefined;
  }

  /** The next job, and those behind it that can share its write: they only append. */
  #takeGroup(): readonly Job[] {
    let bytes = 0;
    let count = 0;
    for (const job of this.#jobs) {
      if (count > 0 && (job.batch.truncateFrom !== undefined || bytes > COALESCE_BYTES)) {
        break;
      }
      bytes += job.batch.entries.reduce((sum, entry) => sum + entry.data.length, 0);
      count += 1;
    }
    return this.#jobs.splice(0, count);
  }

  async #write(group: readonly Job[]): Promise<void> {
    const truncateFrom = group[0]!.batch.truncateFrom;
    const entries = group.flatMap((job) => job.batch.entries);
    const sync = group.some((job) => job.sync);
    checkFollows(this.#terms, truncateFrom, entries);
    if (truncateFrom !== undefined || entries.length > 0) {
      const writing = this.#writeBatch(truncateFrom, entries, sync && !this.#unsynced);
      if (truncateFrom !== undefined) {
        this.#cutting = writing.then(nothing, nothing);
      }
      await writing.finally(() => {
        this.#cutting = undefined;
      });
    }
    if (sync && this.#unsynced) {
      await syncWalFiles(this.#level.location);
      this.#unsynced = false;
    }
  }

  async #writeBatch(
    truncateFrom: LogIndex | undefined,
    entries: readonly Entry[],
    sync: boolean,
  ): Promise<void> {
    const from = truncateFrom ?? this.last.index + 1;
    let chain = await this.#chainBefore(from);
    const batch = this.#level.batch();
    for (const entry of entries) {
      const record = encodeEntry(entry, chain);
      batch.put(entryKey(entry.index), record.value);
      chain = record.chain;
    }
    const newLast = from - 1 + entries.length;
    for (let index = newLast + 1; index <= this.last.index; index++) {
      batch.del(entryKey(index));
    }
    const last = entries.at(-1) ?? { term: this.#terms.termAt(newLast), index: newLast };
    const dropped = this.#droppedAfter(from, entries);
    const end = { last: { term: last.term, index: last.index }, chain, dropped };
    batch.put(END_KEY, encodeEnd(end));
    await batch.write({ sync });
    this.#unsynced ||= !sync;
    this.#terms.cut(from);
    for (const entry of entries) {
      this.#terms.append(entry);
    }
    this.#end = end;
  }

  /** The chain hash of entry `from - 1`, which entry `from` carries if there is one. */
  async #chainBefore(from: LogIndex): Promise<Chain> {
    if (from > this.last.index) {
      return this.#end.chain;
    }
    const value = await this.#level.get(entryKey(from));
    const record = value === undefined ? `entry ${from} is missing` : decodeEntry(value, from);
    if (typeof record === "string") {
      throw this.#damage(record);
    }
    return record.previous;
  }

  #droppedAfter(from: LogIndex, entries: readonly Entry[]): readonly TermRun[] {
    let dropped: readonly TermRun[] = [...this.#end.dropped, ...this.#terms.tail(from)];
    if (dropped.length > 0) {
      for (const { term, index } of entries) {
        dropped = subtract(dropped, { term, from: index, to: index });
      }
    }
    return dropped;
  }

  async #slice(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    const { last, chain } = this.#end;
    if (from > last.index) {
      return { prev: last, entries: [] };
    }
    const prev = { term: this.#terms.termAt(from - 1), index: from - 1 };
    // The iterator sees the database as of this call, synchronously: later cuts do not matter.
    const range = { gte: entryKey(from), lte: entryKey(last.index) };
    const highWaterMarkBytes = Math.min(maxBytes, READ_AHEAD_BYTES);
    const damage = (what: string) => this.#damage(what);
    const reader = new SliceReader(from, maxBytes, damage, this.#terms);
    const rows = this.#level.iterator({ ...range, highWaterMarkBytes, fillCache: false });
    try {
      let batch = await rows.nextv(ROWS_MAX);
      while (batch.length > 0 && reader.take(batch)) {
        batch = await rows.nextv(ROWS_MAX);
      }
    } finally {
      await rows.close();
    }
    reader.finish(last, chain);
    return { prev, entries: reader.entries };
  }

  #damage(what: string): StorageDamage {
    return new StorageDamage("log", { what, where: this.#level.location });
  }
}

/** A batch that does not continue the log is a bug of the caller. */
function checkFollows(
  terms: TermRuns,
  truncateFrom: LogIndex | undefined,
  entries: readonly Entry[],
): void {
  const end = terms.last.index;
  const from = truncateFrom ?? end + 1;
  assert(Number.isSafeInteger(from) && from >= 1 && from <= end + 1, `cut from ${from} of ${end}`);
  let prev: EntryId = { term: terms.termAt(from - 1), index: from - 1 };
  for (const entry of entries) {
    const follows = entry.index === prev.index + 1 && entry.term >= prev.term;
    assert(follows, `entry ${entry.index}/${entry.term} after ${prev.index}/${prev.term}`);
    prev = entry;
  }
}

function nothing(): void {}
