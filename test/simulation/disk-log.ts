/**
 * The log on a simulated disk: entries behind a base, and how much of it is fsynced. Without an
 * fsync a power loss takes back the newest changes, one after the other, as a write-ahead log does:
 * what a truncation had cut off is there again then. A process that dies loses nothing of it.
 */
import type { Entry, EntryId, PersistBatch } from "task-queue-raft";
import { demand } from "./violation.ts";

/** How to take back one change. */
interface Undo {
  readonly lengthBefore: number;
  readonly cut: readonly Entry[];
}

const NOTHING: EntryId = { term: 0, index: 0 };

export class DiskLog {
  /** The newest entry that is gone. */
  base: EntryId = NOTHING;
  /** Entries up to the base whose deletion has not ended. */
  leftovers = 0;
  #entries: Entry[] = [];
  #unsynced: Undo[] = [];
  /** Up to here it survives a power loss; a later truncation may be taken back, though. */
  #synced = 0;
  /** Entries that are there no more, or not as they were written: whoever reads one finds out. */
  readonly #bad = new Set<number>();

  get last(): EntryId {
    return this.#entries[this.#entries.length - 1] ?? this.base;
  }

  get synced(): number {
    return Math.min(this.#synced, this.last.index);
  }

  get isSynced(): boolean {
    return this.#unsynced.length === 0;
  }

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { data } of this.#entries) bytes += data.length;
    return bytes;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - this.base.index - 1];
  }

  /** undefined behind the log, and before its base. */
  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.entryAt(index)?.term;
  }

  /** Whether a power loss would leave the entry, in the log or in the state that is its base. */
  holds(index: number, term: number): boolean {
    if (index < this.base.index) return true;
    return index <= this.synced && this.termAt(index) === term;
  }

  // ---- damage ----

  /** Entries whose record is gone or fails its checksum. */
  get bad(): ReadonlySet<number> {
    return this.#bad;
  }

  /** These records go bad, as far as they are in the log. */
  spoil(from: number, count: number): void {
    for (let index = from; index < from + count; index++) {
      if (this.entryAt(index) !== undefined) this.#bad.add(index);
    }
  }

  /** The end of the log is gone, and nothing in the log says so. */
  lose(from: number): void {
    this.#entries.length = Math.max(0, from - this.base.index - 1);
    this.#unsynced = [];
    this.sync();
    this.#forgetBad(from, Number.POSITIVE_INFINITY);
  }

  copy(): DiskLog {
    const copy = new DiskLog();
    copy.base = this.base;
    copy.leftovers = this.leftovers;
    copy.#entries = this.#entries.slice(0, Math.max(0, this.synced - this.base.index));
    copy.sync();
    for (const index of this.#bad) copy.#bad.add(index);
    return copy;
  }

  #forgetBad(from: number, to: number): void {
    for (const index of this.#bad) if (index >= from && index <= to) this.#bad.delete(index);
  }

  // ---- changes ----

  /** From `from` on, which is behind the base. */
  tail(from: number): readonly Entry[] {
    return this.#entries.slice(from - this.base.index - 1);
  }

  /** Returns whether something was cut off. */
  append(truncateFrom: number | undefined, entries: readonly Entry[]): boolean {
    const from = truncateFrom ?? this.last.index + 1;
    demand(from > this.base.index, "log and snapshot cover", () => {
      return `the log is cut at ${from}, its base is ${this.base.index}`;
    });
    const lengthBefore = this.#entries.length;
    const cut = this.#entries.splice(from - this.base.index - 1);
    if (this.#bad.size > 0) this.#forgetBad(from, Number.POSITIVE_INFINITY);
    this.#unsynced.push({ lengthBefore, cut });
    this.#synced = Math.min(this.#synced, from - 1);
    for (const entry of entries) {
      demand(entry.index === this.last.index + 1, "contiguous log", () => {
        return `entry ${entry.index} is written behind ${this.last.index}`;
      });
      this.#entries.push(entry);
    }
    return cut.length > 0;
  }

  sync(): void {
    this.syncFirst(this.#unsynced.length);
  }

  /** Changes that an fsync would have to cover. */
  get unsynced(): number {
    return this.#unsynced.length;
  }

  /** An fsync covers what was written before it began. */
  syncFirst(changes: number): void {
    this.#unsynced.splice(0, changes);
    let length = this.#unsynced[0]?.lengthBefore ?? this.#entries.length;
    for (const { lengthBefore, cut } of this.#unsynced) {
      length = Math.min(length, lengthBefore - cut.length);
    }
    this.#synced = this.base.index + length;
  }

  /** Only the newest changes go, and only those that were not fsynced; returns how many. */
  losePower(share: number): number {
    const count = Math.round(this.#unsynced.length * share);
    for (let left = count; left > 0; left--) {
      const { lengthBefore, cut } = this.#unsynced.pop()!;
      this.#entries.length = lengthBefore - cut.length;
      this.#entries.push(...cut);
    }
    this.sync();
    return count;
  }

  /** The new base is durable: whatever else happens, entries up to it are not seen any more. */
  compact(upTo: number): void {
    if (upTo <= this.base.index) return;
    demand(upTo <= this.last.index, "log and snapshot cover", () => {
      return `the log is compacted up to ${upTo}, it ends at ${this.last.index}`;
    });
    // Changes before the new base could not be taken back any more; the base is synced anyway.
    this.sync();
    const term = this.termAt(upTo)!;
    const dropped = this.#entries.splice(0, upTo - this.base.index);
    this.leftovers += dropped.length;
    this.base = { term, index: upTo };
    this.#forgetBad(0, upTo);
  }

  reset(base: EntryId): void {
    this.#entries = [];
    this.#bad.clear();
    this.base = { term: base.term, index: base.index };
    this.sync();
  }
}

/** Who is a member must never be forgotten. */
export function needsSync(group: readonly PersistBatch[]): boolean {
  return group.some(({ restore, entries }) => {
    return restore !== undefined || entries.some(({ kind }) => kind === "membership");
  });
}
