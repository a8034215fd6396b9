/** The log of a test's node: written at once, and read back by slow followers. */
import type { Entry, EntryId, PersistBatch } from "task-queue-raft";

export class MemoryLog {
  base: EntryId = { term: 0, index: 0 };
  entries: Entry[] = [];

  write({ restore, truncateFrom, entries }: PersistBatch): void {
    if (restore !== undefined) {
      this.base = restore;
      this.entries = [];
    }
    if (truncateFrom !== undefined) {
      this.entries = this.entries.filter(({ index }) => index < truncateFrom);
    }
    this.entries.push(...entries);
  }

  compact(upTo: number): void {
    const last = this.entries.find(({ index }) => index === upTo);
    if (last === undefined) throw new Error(`entry ${upTo} is not in the log, and cannot be cut`);
    this.base = { term: last.term, index: last.index };
    this.entries = this.entries.filter(({ index }) => index > upTo);
  }

  /** As `LogStore.read`. */
  read(from: number): { readonly prev: EntryId; readonly entries: readonly Entry[] } {
    if (from <= this.base.index) return { prev: this.base, entries: [] };
    const before = this.entries.find(({ index }) => index === from - 1);
    const prev = before === undefined ? this.base : { term: before.term, index: before.index };
    return { prev, entries: this.entries.filter(({ index }) => index >= from).slice(0, 100) };
  }
}
