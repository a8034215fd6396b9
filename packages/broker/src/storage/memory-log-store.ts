/**
 * The log in memory, for tests of what stands on it. The same promises as the real one, chain
 * hashes included, except that nothing outlives the object: `reopened` stands for a restart.
 */
import assert from "node:assert/strict";
import type { Entry, EntryId, LogIndex } from "task-queue-raft";
import type { LogBase, LogBatch, LogSlice, LogStore } from "../ports.ts";
import { type Chain, checkBase, EMPTY_BASE, encodeEntry } from "./entry-record.ts";

interface Chained {
  readonly entry: Entry;
  readonly chain: Chain;
}

export class MemoryLogStore implements LogStore {
  #base: LogBase;
  /** Those after `#base`. */
  #entries: Chained[] = [];
  #bytes = 0;
  #closed = false;

  constructor(entries: readonly Entry[] = [], base: LogBase = EMPTY_BASE) {
    this.#base = base;
    this.#push(entries);
  }

  /** What a restart finds. */
  reopened(): MemoryLogStore {
    return new MemoryLogStore(this.entries, this.#base);
  }

  get base(): EntryId {
    return { term: this.#base.term, index: this.#base.index };
  }

  get last(): EntryId {
    return this.#idAt(this.#base.index + this.#entries.length);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** All entries after `base`. */
  get entries(): readonly Entry[] {
    return this.#entries.map(({ entry }) => entry);
  }

  async append({ truncateFrom, entries }: LogBatch, _sync: boolean): Promise<void> {
    this.#checkOpen();
    const end = this.last.index;
    const from = truncateFrom ?? end + 1;
    assert(from > this.#base.index && from <= end + 1, `cut from ${from} of ${end}`);
    let prev = this.#idAt(from - 1);
    for (const entry of entries) {
      const follows = entry.index === prev.index + 1 && entry.term >= prev.term;
      assert(follows, `entry ${entry.index}/${entry.term} after ${prev.index}/${prev.term}`);
      prev = entry;
    }
    this.#dropped(this.#entries.splice(from - 1 - this.#base.index));
    this.#push(entries);
  }

  async sync(): Promise<void> {
    this.#checkOpen();
  }

  async read(from: LogIndex, maxBytes: number): Promise<LogSlice> {
    this.#checkOpen();
    if (!Number.isSafeInteger(from) || from < 1) {
      throw new RangeError(`log read from ${from}: the first entry has index 1`);
    }
    if (from <= this.#base.index) {
      return { prev: this.base, entries: [] };
    }
    if (from > this.last.index) {
      return { prev: this.last, entries: [] };
    }
    let bytes = 0;
    const rest = this.entries.slice(from - 1 - this.#base.index);
    const beyond = rest.findIndex((entry, ordinal) => {
      bytes += entry.data.length;
      return bytes > maxBytes && ordinal > 0;
    });
    return { prev: this.#idAt(from - 1), entries: beyond === -1 ? rest : rest.slice(0, beyond) };
  }

  async chainAt(index: LogIndex): Promise<string> {
    this.#checkOpen();
    const chain = index === this.#base.index ? this.#base.chain : this.#at(index)?.chain;
    if (chain === undefined) {
      throw new RangeError(`chain of entry ${index} of ${this.#base.index}..${this.last.index}`);
    }
    return chain;
  }

  async compact(upTo: LogIndex): Promise<void> {
    this.#checkOpen();
    assert(upTo <= this.last.index, `compacting up to ${upTo} of ${this.last.index}`);
    if (upTo <= this.#base.index) {
      return;
    }
    const { entry, chain } = this.#at(upTo)!;
    this.#dropped(this.#entries.splice(0, upTo - this.#base.index));
    this.#base = { term: entry.term, index: upTo, chain };
  }

  async reset(base: LogBase): Promise<void> {
    this.#checkOpen();
    checkBase(base);
    this.#dropped(this.#entries.splice(0));
    this.#base = { term: base.term, index: base.index, chain: base.chain };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #push(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const previous = this.#entries.at(-1)?.chain ?? this.#base.chain;
      const { chain } = encodeEntry(entry, previous);
      this.#entries.push({ entry: { ...entry, data: entry.data.slice() }, chain });
      this.#bytes += entry.data.length;
    }
  }

  #dropped(gone: readonly Chained[]): void {
    this.#bytes -= gone.reduce((sum, { entry }) => sum + entry.data.length, 0);
  }

  #at(index: LogIndex): Chained | undefined {
    return this.#entries[index - 1 - this.#base.index];
  }

  #idAt(index: LogIndex): EntryId {
    const found = this.#at(index)?.entry ?? this.#base;
    return { term: found.term, index: found.index };
  }

  #checkOpen(): void {
    if (this.#closed) {
      throw new Error("the log is closed");
    }
  }
}
