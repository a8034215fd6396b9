/**
 * Everything that changes the log on disk, and what is known of it without reading it. One change
 * at a time: the caller sees to that, and to stopping at the first error. A change is one atomic
 * batch together with the record of where the log then begins or ends, and known here only when
 * LevelDB has it; so a crash at any moment leaves the log before it or after it, no hole.
 */
import assert from "node:assert/strict";
import type { Entry, EntryId, LogIndex } from "task-queue-raft";
import type { LogBase } from "../ports.ts";
import { END_KEY, type EndMarker, encodeEnd } from "./end-marker.ts";
import { type Chain, checkBase, decodeEntry, encodeEntry, entryKey } from "./entry-record.ts";
import type { Level } from "./level.ts";
import { BASE_KEY, type BaseRecord, encodeBase, type Remains } from "./log-base.ts";
import type { ScannedLog } from "./log-scan.ts";
import { LogSizes } from "./log-sizes.ts";
import { StorageDamage } from "./storage-error.ts";
import { subtract, type TermRun, type TermRuns } from "./term-runs.ts";
import { syncWalFiles } from "./wal-files.ts";

/** Records removed in one batch, which an append may have to wait for: a millisecond or two. */
export const REMOVED_MAX = 1000;

type Batch = ReturnType<Level["batch"]>;

export class LogWriter {
  readonly terms: TermRuns;
  readonly #level: Level;
  #base: BaseRecord;
  #end: EndMarker;
  #sizes: LogSizes;
  /** Something was written without sync since the last sync. */
  #unsynced = false;
  #cutting: Promise<void> | undefined;

  constructor(level: Level, { base, end, terms, sizes }: ScannedLog) {
    this.#level = level;
    this.#base = base;
    this.#end = end;
    this.#sizes = sizes;
    this.terms = terms;
  }

  get base(): BaseRecord {
    return this.#base;
  }

  get end(): EndMarker {
    return this.#end;
  }

  get bytes(): number {
    return this.#sizes.bytes;
  }

  /**
   * Settles when the cut under way is known here: LevelDB may have made it before, and to a reader
   * entries would seem to be missing. Other entries are dropped here first, their records later.
   */
  get cutting(): Promise<void> | undefined {
    return this.#cutting;
  }

  /** Drops `truncateFrom` and all behind it, then appends. */
  async append(
    truncateFrom: LogIndex | undefined,
    entries: readonly Entry[],
    sync: boolean,
  ): Promise<void> {
    checkFollows(this.terms, this.#base.index, truncateFrom, entries);
    if (truncateFrom !== undefined) {
      await this.#whileCutting(this.#append(truncateFrom, entries, sync));
    } else if (entries.length > 0) {
      await this.#append(this.#end.last.index + 1, entries, sync);
    }
    if (sync) {
      await this.#sync();
    }
  }

  /** The log begins behind `upTo` from now on, durably; its records are removed by `remove`. */
  async moveBase(upTo: LogIndex): Promise<void> {
    assert(this.#base.remains === undefined, "the records of an earlier base are still there");
    assert(upTo <= this.#end.last.index, `compacting up to ${upTo} of ${this.#end.last.index}`);
    const chain = await this.#chainBefore(upTo + 1);
    const remains = { from: this.#base.index + 1, to: upTo };
    const base = { term: this.terms.termAt(upTo), index: upTo, chain, remains };
    await this.#write(this.#level.batch().put(BASE_KEY, encodeBase(base)), true);
    await this.#sync();
    this.#base = base;
    this.terms.compact(upTo);
    this.#sizes.compact(upTo);
    const dropped = this.#end.dropped.filter((run) => run.to > upTo);
    this.#end = { ...this.#end, dropped };
  }

  /**
   * Removes some of what remains of entries that are gone, front to back. Not synced, and no sync
   * has to cover it: what a crash brings back is only removed again.
   */
  async remove(): Promise<void> {
    const { remains } = this.#base;
    assert(remains !== undefined && remains.to <= this.#base.index, "nothing to remove");
    const to = Math.min(remains.to, remains.from + REMOVED_MAX - 1);
    const rest = to === remains.to ? undefined : { from: to + 1, to: remains.to };
    await this.#removeRecords({ from: remains.from, to }, rest);
  }

  /**
   * Drops all entries; the next one follows `base`. Durable before any record is removed, and no
   * entry is appended before the records behind `base` are: an old one at its place would be taken
   * for part of the log.
   */
  async reset(base: LogBase): Promise<void> {
    checkBase(base);
    while (this.#base.remains !== undefined) {
      await this.remove();
    }
    const from = Math.min(this.#base.index, base.index) + 1;
    const to = this.#end.last.index;
    const remains = from > to ? undefined : { from, to };
    await this.#reset({ ...base, remains });
    await this.removeBehindEnd();
  }

  /** The rest of a `reset`, which a crash may have cut short. */
  async removeBehindEnd(): Promise<void> {
    const { remains } = this.#base;
    if (remains === undefined || remains.to <= this.#base.index) {
      return;
    }
    // The record still names all of them: where a crash leaves some, the next start goes on.
    let from = Math.max(this.#end.last.index + 1, remains.from);
    for (; from <= remains.to; from += REMOVED_MAX) {
      const to = Math.min(remains.to, from + REMOVED_MAX - 1);
      await this.#removeRecords({ from, to }, remains);
    }
    // None may come back once the record does not name them any more.
    await syncWalFiles(this.#level.location);
    const rest = { from: remains.from, to: this.#base.index };
    await this.#removeRecords(undefined, rest.from > rest.to ? undefined : rest, true);
  }

  /** The chain hash of entry `from - 1`, which entry `from` carries if there is one. */
  async #chainBefore(from: LogIndex): Promise<Chain> {
    if (from > this.#end.last.index) {
      return this.#end.chain;
    }
    const value = await this.#level.get(entryKey(from));
    const record = value === undefined ? `entry ${from} is missing` : decodeEntry(value, from);
    if (typeof record === "string") {
      throw new StorageDamage("log", { what: record, where: this.#level.location });
    }
    return record.previous;
  }

  async #append(from: LogIndex, entries: readonly Entry[], sync: boolean): Promise<void> {
    let chain = await this.#chainBefore(from);
    const batch = this.#level.batch();
    for (const entry of entries) {
      const record = encodeEntry(entry, chain);
      batch.put(entryKey(entry.index), record.value);
      chain = record.chain;
    }
    const newLast = from - 1 + entries.length;
    for (let index = newLast + 1; index <= this.#end.last.index; index++) {
      batch.del(entryKey(index));
    }
    const last = entries.at(-1) ?? { term: this.terms.termAt(newLast), index: newLast };
    const dropped = this.#droppedAfter(from, entries);
    const end = { last: { term: last.term, index: last.index }, chain, dropped };
    await this.#write(batch.put(END_KEY, encodeEnd(end)), sync);
    this.terms.cut(from);
    this.#sizes.cut(from);
    for (const entry of entries) {
      this.terms.append(entry);
      this.#sizes.append(entry.data.length);
    }
    this.#end = end;
  }

  #droppedAfter(from: LogIndex, entries: readonly Entry[]): readonly TermRun[] {
    let dropped: readonly TermRun[] = [...this.#end.dropped, ...this.terms.tail(from)];
    if (dropped.length > 0) {
      for (const { term, index } of entries) {
        dropped = subtract(dropped, { term, from: index, to: index });
      }
    }
    return dropped;
  }

  async #reset(base: BaseRecord): Promise<void> {
    const last: EntryId = { term: base.term, index: base.index };
    // What was dropped before the base does not matter any more: see the boot verdict.
    const end: EndMarker = { last, chain: base.chain, dropped: [] };
    const batch = this.#level.batch().put(BASE_KEY, encodeBase(base));
    await this.#write(batch.put(END_KEY, encodeEnd(end)), true);
    await this.#sync();
    this.#base = base;
    this.#end = end;
    this.terms.reset(base);
    this.#sizes = new LogSizes(base.index);
  }

  async #removeRecords(
    gone: Remains | undefined,
    remains: Remains | undefined,
    sync = false,
  ): Promise<void> {
    const base = { ...this.#base, remains };
    const batch = this.#level.batch().put(BASE_KEY, encodeBase(base));
    for (let index = gone?.from ?? 1; index <= (gone?.to ?? 0); index++) {
      batch.del(entryKey(index));
    }
    await batch.write({ sync });
    this.#base = base;
  }

  async #whileCutting(change: Promise<void>): Promise<void> {
    this.#cutting = change.then(nothing, nothing);
    await change.finally(() => {
      this.#cutting = undefined;
    });
  }

  /** A synced write covers earlier ones only if they were synced, too: see `syncWalFiles`. */
  async #write(batch: Batch, sync: boolean): Promise<void> {
    const alone = sync && !this.#unsynced;
    await batch.write({ sync: alone });
    this.#unsynced ||= !alone;
  }

  async #sync(): Promise<void> {
    if (this.#unsynced) {
      await syncWalFiles(this.#level.location);
      this.#unsynced = false;
    }
  }
}

/** A batch that does not continue the log is a bug of the caller. */
function checkFollows(
  terms: TermRuns,
  base: LogIndex,
  truncateFrom: LogIndex | undefined,
  entries: readonly Entry[],
): void {
  const end = terms.last.index;
  const from = truncateFrom ?? end + 1;
  const inside = Number.isSafeInteger(from) && from > base && from <= end + 1;
  assert(inside, `cut from ${from} of ${base + 1} to ${end}`);
  let prev: EntryId = { term: terms.termAt(from - 1), index: from - 1 };
  for (const entry of entries) {
    const follows = entry.index === prev.index + 1 && entry.term >= prev.term;
    assert(follows, `entry ${entry.index}/${entry.term} after ${prev.index}/${prev.term}`);
    prev = entry;
  }
}

function nothing(): void {}
