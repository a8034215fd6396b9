/**
 * The newest part of the log, in memory: contiguous from the entry after `prev` to `last`, with
 * terms that never fall. All of it is either on disk already or on its way there; entries older
 * than `prev` are on disk only. Nothing here knows what is committed: `evict` and `truncateFrom`
 * trust the caller.
 *
 * No operation costs more than the entries it is about: byte counts are kept as running totals and
 * the front is dropped by moving an offset.
 */
import { fail } from "./assert.ts";
import type { RecoveredLog } from "./options.ts";
import type { Entry, EntryId, LogIndex, Term } from "./types.ts";

/** What an entry costs besides its data, so that empty entries are not free. */
export const ENTRY_OVERHEAD_BYTES = 16;

/** Dead slots at the front of the arrays before they are cut off. */
const COMPACT_AT_SLOTS = 1024;

export class RaftLog {
  #prev: EntryId;
  /** Slots before `#front` have been evicted. */
  #slots: (Entry | undefined)[];
  /** Running total of bytes up to and with the entry of the same slot. */
  #totals: number[] = [];
  #front = 0;
  /** The running total at `#prev`. */
  #prevTotal = 0;

  constructor(recovered: Pick<RecoveredLog, "prev" | "tail">) {
    this.#prev = { term: recovered.prev.term, index: recovered.prev.index };
    this.#slots = [];
    for (const entry of recovered.tail) this.append(entry);
  }

  /** The entry right before the first one in memory. */
  get prev(): EntryId {
    return this.#prev;
  }

  get lastIndex(): LogIndex {
    return this.#prev.index + this.#slots.length - this.#front;
  }

  get lastTerm(): Term {
    return this.#slots.length > this.#front ? this.#slots.at(-1)!.term : this.#prev.term;
  }

  get last(): EntryId {
    return { term: this.lastTerm, index: this.lastIndex };
  }

  /** Bytes in memory, overhead included. */
  get bytes(): number {
    return this.#totalAt(this.lastIndex) - this.#prevTotal;
  }

  /** The term of the entry at `index`; undefined outside `prev` to `last`. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#prev.index) return this.#prev.term;
    if (index < this.#prev.index) return undefined;
    return this.#slots[this.#slot(index)]?.term;
  }

  holds(id: EntryId): boolean {
    return this.termAt(id.index) === id.term;
  }

  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) {
      fail(`entry ${entry.index} cannot follow entry ${this.lastIndex}`);
    }
    if (entry.term < this.lastTerm) {
      fail(`entry ${entry.index} has term ${entry.term}, the one before ${this.lastTerm}`);
    }
    const total = this.#totalAt(entry.index - 1) + entryBytes(entry);
    this.#slots.push(entry);
    this.#totals.push(total);
  }

  /** Drops the entry at `from` and all behind it. */
  truncateFrom(from: LogIndex): void {
    if (from <= this.#prev.index) fail(`truncation at ${from} reaches below the log in memory`);
    if (from > this.lastIndex) return;
    const slot = this.#slot(from);
    this.#slots.length = slot;
    this.#totals.length = slot;
  }

  /** Drops everything; the log goes on behind `prev`. */
  reset(prev: EntryId): void {
    this.#prev = prev;
    this.#slots = [];
    this.#totals = [];
    this.#front = 0;
    this.#prevTotal = 0;
  }

  /** The entries `from` to `to`, both included; empty when `to` is smaller. */
  slice(from: LogIndex, to: LogIndex): Entry[] {
    if (to < from) return [];
    if (from <= this.#prev.index || to > this.lastIndex) {
      fail(`entries ${from}-${to} asked for, in memory are ${this.#prev.index}-${this.lastIndex}`);
    }
    return this.#slots.slice(this.#slot(from), this.#slot(to) + 1) as Entry[];
  }

  /** As many entries from `from` on as fit into `maxBytes`, but at least one if there is one. */
  sliceBytes(from: LogIndex, maxBytes: number): Entry[] {
    const last = this.lastIndex;
    if (from > last) return [];
    const limit = this.#totalAt(from - 1) + maxBytes;
    if (this.#totalAt(last) <= limit) return this.slice(from, last);
    let to = from;
    while (to < last && this.#totalAt(to + 1) <= limit) to++;
    return this.slice(from, to);
  }

  /** Bytes of the entries behind `after`, overhead included. */
  bytesAfter(after: LogIndex): number {
    return this.#totalAt(this.lastIndex) - this.#totalAt(Math.min(after, this.lastIndex));
  }

  /**
   * The newest entry at or below `index` whose term is at most `term`, or `prev` when memory holds
   * none. Terms never fall along the log, so halving finds it.
   */
  newestWithTermAtMost(index: LogIndex, term: Term): EntryId {
    let low = this.#prev.index;
    let high = Math.max(low, Math.min(index, this.lastIndex));
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2);
      if (this.termAt(middle)! <= term) low = middle;
      else high = middle - 1;
    }
    return { term: this.termAt(low)!, index: low };
  }

  /** Drops entries from memory, oldest first and none above `upTo`, until `maxBytes` are held. */
  evict(maxBytes: number, upTo: LogIndex): void {
    const total = this.#totalAt(this.lastIndex);
    let slot = this.#front;
    const end = this.#slot(Math.min(upTo, this.lastIndex)) + 1;
    let prev: Entry | undefined;
    while (slot < end && total - this.#prevTotal > maxBytes) {
      prev = this.#slots[slot]!;
      this.#prevTotal = this.#totals[slot]!;
      this.#slots[slot] = undefined;
      slot++;
    }
    if (prev === undefined) return;
    this.#prev = { term: prev.term, index: prev.index };
    this.#front = slot;
    if (this.#front >= COMPACT_AT_SLOTS && this.#front * 2 >= this.#slots.length) this.#compact();
  }

  #compact(): void {
    this.#slots = this.#slots.slice(this.#front);
    this.#totals = this.#totals.slice(this.#front);
    this.#front = 0;
  }

  #slot(index: LogIndex): number {
    return this.#front + index - this.#prev.index - 1;
  }

  #totalAt(index: LogIndex): number {
    return index <= this.#prev.index ? this.#prevTotal : this.#totals[this.#slot(index)]!;
  }
}

/** What an entry counts against the byte limits. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}
