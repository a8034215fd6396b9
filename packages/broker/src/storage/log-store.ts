/**
 * The replicated log in LevelDB, one value per entry. Changes are carried out one at a time in the
 * order of the calls; appends that wait behind a running write go together in the next one, and
 * compaction goes on in small steps between them. It must never go on after an error (see
 * `FailStop`). What a change is on disk: see `LogWriter`.
 */
import assert from "node:assert/strict";
import type { EntryId, LogIndex, Term } from "task-queue-raft";
import type { LogBase, LogBatch, LogSlice, LogStore } from "../ports.ts";
import { EMPTY_END, END_KEY, encodeEnd } from "./end-marker.ts";
import { FailStop } from "./fail-stop.ts";
import { Gate } from "./gate.ts";
import { type Level, type OpenMode, openLevel } from "./level.ts";
import { FIRST_BASE } from "./log-base.ts";
import { readBounds } from "./log-bounds.ts";
import { readChain, readSlice } from "./log-reader.ts";
import { LogReclaim } from "./log-reclaim.ts";
import { emptyLog, type ScannedLog, scanLog } from "./log-scan.ts";
import { LogWriter } from "./log-writer.ts";
import { StorageDamage } from "./storage-error.ts";
import { holds } from "./term-runs.ts";

export interface LogStoreOptions {
  readonly mode: OpenMode;
  /** Bytes, 16 MiB by default: fewer tables, and still replayed in well under a second. */
  readonly writeBufferSize?: number | undefined;
}

/** Bytes of entries that waiting appends may share one write for. */
const COALESCE_BYTES = 4 << 20;

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What waits to be carried out: a batch, or the base of a reset. */
interface Job extends Settle {
  readonly change: (LogBatch & { readonly sync: boolean }) | { readonly base: LogBase };
}

interface Compaction extends Settle {
  readonly upTo: LogIndex;
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
    return new LevelLogStore(level, await recoverLog(level, options.mode));
  } catch (error) {
    await level.close();
    throw error;
  }
}

/** Finishes a reset that a crash cut short, and checks the rest; founds an empty log. */
export async function recoverLog(level: Level, mode: OpenMode): Promise<ScannedLog> {
  const bounds = await readBounds(level);
  if (bounds !== undefined) {
    const writer = new LogWriter(level, emptyLog(bounds));
    await new FailStop("log").run("reset", () => writer.removeBehindEnd());
    return await scanLog(level, { base: writer.base, end: bounds.end });
  }
  if (mode === "existing") {
    throw new StorageDamage("log", { what: "it is empty", where: level.location });
  }
  await level.batch().put(END_KEY, encodeEnd(EMPTY_END)).write({ sync: true });
  return emptyLog({ base: FIRST_BASE, end: EMPTY_END });
}

export class LevelLogStore implements LogStore {
  readonly #level: Level;
  readonly #writer: LogWriter;
  readonly #stop = new FailStop("log");
  readonly #gate = new Gate("the log");
  readonly #reclaim: LogReclaim;
  #jobs: Job[] = [];
  #compactions: Compaction[] = [];
  /** The highest index that was asked for. */
  #compactTo: LogIndex = 0;
  #pump: Promise<void> | undefined;

  /** Use `openLogStore`. */
  constructor(level: Level, scanned: ScannedLog, reclaimBytes?: number) {
    this.#level = level;
    this.#reclaim = new LogReclaim(level, reclaimBytes);
    this.#writer = new LogWriter(level, scanned);
    this.#wake();
  }

  get base(): EntryId {
    const { term, index } = this.#writer.base;
    return { term, index };
  }

  get last(): EntryId {
    return this.#writer.end.last;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  /** The term of the entry at `index`, `base` included; 0 if there is none. */
  termAt(index: LogIndex): Term {
    return this.#writer.terms.termAt(index);
  }

  /** True if this very entry was cut away on purpose and has not been written again. */
  dropped(id: EntryId): boolean {
    return holds(this.#writer.end.dropped, id);
  }

  append(batch: LogBatch, sync: boolean): Promise<void> {
    return this.#enqueue({ ...batch, sync });
  }

  sync(): Promise<void> {
    return this.append({ truncateFrom: undefined, entries: [] }, true);
  }

  /**
   * `prev` is the entry before `from`. If the log has meanwhile been cut to before that, the
   * slice is empty and `prev` is the last entry; if it has been compacted beyond, `prev` is
   * `base`: the caller compares `prev.index` with its own.
   */
  async read(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    if (!Number.isSafeInteger(from) || from < 1) {
      throw new RangeError(`log read from ${from}: the first entry has index 1`);
    }
    // A cut that LevelDB has made but the writer does not know yet would look like a loss. No turn
    // may pass between this look and the read.
    while (this.#writer.cutting !== undefined) {
      await this.#writer.cutting;
    }
    const slice = () => readSlice(this.#level, this.#writer, from, maxBytes);
    return await this.#gate.run(() => this.#stop.run("read", slice));
  }

  async chainAt(index: LogIndex): Promise<string> {
    while (this.#writer.cutting !== undefined) {
      await this.#writer.cutting;
    }
    if (!(index >= this.base.index && index <= this.last.index)) {
      throw new RangeError(`chain of entry ${index} of ${this.base.index}..${this.last.index}`);
    }
    const chain = () => readChain(this.#level, this.#writer, index);
    return await this.#gate.run(() => this.#stop.run("read", chain));
  }

  /** Resolves when the last record is removed. Calls under way join one another. */
  async compact(upTo: LogIndex): Promise<void> {
    this.#gate.check();
    this.#stop.check();
    assert(upTo <= this.last.index, `compacting up to ${upTo} of ${this.last.index}`);
    const { index, remains } = this.#writer.base;
    if (upTo <= index && (remains === undefined || upTo < remains.from)) {
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#compactions.push({ upTo, resolve, reject });
      this.#compactTo = Math.max(this.#compactTo, upTo);
      this.#wake();
    });
  }

  async reset(base: LogBase): Promise<void> {
    await this.#enqueue({ base });
  }

  /**
   * What is queued is written first. A compaction under way goes on at the next start; one that has
   * not begun is turned away.
   */
  async close(): Promise<void> {
    const wasClosed = this.#gate.closed;
    await this.#gate.close();
    await this.#pump;
    await this.#reclaim.settled();
    if (!wasClosed) {
      this.#endCompactions(this.#compactions.filter(({ upTo }) => upTo <= this.base.index));
      this.#endCompactions(this.#compactions, new Error("the log is closed"));
      await this.#level.close();
    }
  }

  #enqueue(change: Job["change"]): Promise<void> {
    if (this.#gate.closed) {
      return Promise.reject(new Error("the log is closed"));
    }
    return new Promise((resolve, reject) => {
      this.#jobs.push({ change, resolve, reject });
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#jobs.length > 0 || this.#mustCompact()) {
      this.#pump ??= this.#work();
    }
  }

  async #work(): Promise<void> {
    // By turns, so that neither waits for the other for longer than one batch.
    while (this.#jobs.length > 0 || this.#mustCompact()) {
      if (this.#jobs.length > 0) {
        await this.#carryOut(this.#takeGroup());
      }
      if (this.#mustCompact()) {
        await this.#compactStep();
      }
    }
    this.#pump = undefined;
  }

  async #carryOut(group: readonly Job[]): Promise<void> {
    const { change } = group[0]!;
    const isReset = "base" in change;
    try {
      await this.#stop.run(isReset ? "reset" : "append", async () => {
        await (isReset ? this.#reset(change.base) : this.#append(group));
      });
      for (const job of group) {
        job.resolve();
      }
    } catch (error) {
      for (const job of group) {
        job.reject(error as Error);
      }
      if (this.#stop.first !== undefined) {
        this.#endCompactions(this.#compactions, this.#stop.first);
      }
    }
  }

  /** The next job, and those behind it that can share its write: they only append. */
  #takeGroup(): readonly Job[] {
    let bytes = 0;
    let count = 0;
    for (const { change } of this.#jobs) {
      const alone = "base" in change;
      if (count > 0 && (alone || change.truncateFrom !== undefined || bytes > COALESCE_BYTES)) {
        break;
      }
      count += 1;
      if (alone) {
        break;
      }
      bytes += change.entries.reduce((sum, entry) => sum + entry.data.length, 0);
    }
    return this.#jobs.splice(0, count);
  }

  async #append(group: readonly Job[]): Promise<void> {
    const batches = group.flatMap(({ change }) => ("base" in change ? [] : [change]));
    const entries = batches.flatMap((batch) => batch.entries);
    const sync = batches.some((batch) => batch.sync);
    await this.#writer.append(batches[0]!.truncateFrom, entries, sync);
  }

  async #reset(base: LogBase): Promise<void> {
    await this.#dropping(() => this.#writer.reset(base));
    this.#compactTo = 0;
    this.#endCompactions(this.#compactions);
  }

  /** A change that drops entries of the front. */
  async #dropping(change: () => Promise<void>): Promise<void> {
    const { base, bytes } = this.#writer;
    await change();
    this.#reclaim.dropped(base.index + 1, bytes - this.#writer.bytes);
  }

  #mustCompact(): boolean {
    const { index, remains } = this.#writer.base;
    const asked = remains !== undefined || this.#compactTo > index;
    return asked && !this.#gate.closed && this.#stop.first === undefined;
  }

  async #compactStep(): Promise<void> {
    try {
      await this.#stop.run("compact", async () => {
        if (this.#writer.base.remains === undefined) {
          await this.#dropping(() => this.#writer.moveBase(this.#compactTo));
        } else {
          await this.#writer.remove();
        }
      });
      const { index, remains } = this.#writer.base;
      const removed = remains === undefined ? index : remains.from - 1;
      if (remains === undefined) {
        const onError = (error: unknown) => this.#stop.trip("compact", error);
        this.#reclaim.begin(index, () => this.#gate.closed, onError);
      }
      this.#endCompactions(this.#compactions.filter(({ upTo }) => upTo <= removed));
    } catch (error) {
      this.#compactTo = 0;
      this.#endCompactions(this.#compactions, error as Error);
    }
  }

  #endCompactions(ended: readonly Compaction[], error?: Error): void {
    this.#compactions = this.#compactions.filter((each) => !ended.includes(each));
    for (const { resolve, reject } of ended) {
      if (error === undefined) {
        resolve();
      } else {
        reject(error);
      }
    }
  }
}
