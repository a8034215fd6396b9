/**
 * The log in memory, for tests of what stands on it. The same promises as the real one, except
 * that nothing outlives the object.
 */
import assert from "node:assert/strict";
import type { Entry, EntryId, LogIndex } from "task-queue-raft";
import type { LogBatch, LogSlice, LogStore } from "../ports.ts";

const NONE: EntryId = { term: 0, index: 0 };

export class MemoryLogStore implements LogStore {
  #entries: readonly Entry[];
  #closed = false;

  constructor(entries: readonly Entry[] = []) {
    this.#entries = entries;
  }

  get last(): EntryId {
    return this.#idAt(this.#entries.length);
  }

  /** All entries, so that a "restarted" store can be made of them. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  async append({ truncateFrom, entries }: LogBatch, _sync: boolean): Promise<void> {
    this.#checkOpen();
    const from = truncateFrom ?? this.#entries.length + 1;
    assert(from >= 1 && from <= this.#entries.length + 1, `cut from ${from}`);
    let prev = this.#idAt(from - 1);
    for (const entry of entries) {
      const follows = entry.index === prev.index + 1 && entry.term >= prev.term;
      assert(follows, `entry ${entry.index}/${entry.term} after ${prev.index}/${prev.term}`);
      prev = entry;
    }
    const copies = entries.map((entry) => ({ ...entry, data: entry.data.slice() }));
    this.#entries = [...this.#entries.slice(0, from - 1), ...copies];
  }

  async sync(): Promise<void> {
    this.#checkOpen();
  }

  async read(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    this.#checkOpen();
    if (!Number.isSafeInteger(from) || from < 1) {
      throw new RangeError(`log read from ${from}: the first entry has index 1`);
    }
    if (from > this.#entries.length) {
      return { prev: this.last, entries: [] };
    }
    let bytes = 0;
    const rest = this.#entries.slice(from - 1);
    const beyond = rest.findIndex((entry, ordinal) => {
      bytes += entry.data.length;
      return bytes > maxBytes && ordinal > 0;
    });
    return { prev: this.#idAt(from - 1), entries: beyond === -1 ? rest : rest.slice(0, beyond) };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #idAt(index: LogIndex): EntryId {
    const entry = this.#entries[index - 1];
    return entry === undefined ? NONE : { term: entry.term, index: entry.index };
  }

  #checkOpen(): void {
    if (this.#closed) {
      throw new Error("the log is closed");
    }
  }
}
