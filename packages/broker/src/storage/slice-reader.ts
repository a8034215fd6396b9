/**
 * Turns rows of the log into one slice: no more bytes than asked (but at least one entry), every
 * entry whole, in place, of the expected term and chained to the one before it.
 */
import type { Entry, EntryId, LogIndex } from "task-queue-raft";
import { type Chain, decodeEntry, indexOfKey } from "./entry-record.ts";
import type { TermRuns } from "./term-runs.ts";

export class SliceReader {
  readonly entries: Entry[] = [];
  readonly #maxBytes: number;
  readonly #damage: (what: string) => Error;
  readonly #terms: TermRuns;
  #next: LogIndex;
  #bytes = 0;
  #full = false;
  #chain: Chain | undefined;

  constructor(from: LogIndex, maxBytes: number, damage: (what: string) => Error, terms: TermRuns) {
    this.#next = from;
    this.#maxBytes = maxBytes;
    this.#damage = damage;
    this.#terms = terms;
  }

  /** False once the slice is full. */
  take(rows: readonly (readonly [Buffer, Buffer])[]): boolean {
    for (const [key, value] of rows) {
      const entry = this.#decode(key, value);
      this.#full = this.#bytes + entry.data.length > this.#maxBytes && this.entries.length > 0;
      if (this.#full) {
        return false;
      }
      this.entries.push(entry);
      this.#bytes += entry.data.length;
      this.#next += 1;
    }
    return true;
  }

  /** To be called at the end with where the log ended when the rows were asked for. */
  finish(last: EntryId, chain: Chain): void {
    if (this.#full) {
      return;
    }
    if (this.#next !== last.index + 1) {
      throw this.#damage(`entry ${this.#next} is missing`);
    }
    if (this.#chain !== chain) {
      throw this.#damage(`entry ${last.index} is not the one that was written last`);
    }
  }

  #decode(key: Buffer, value: Buffer): Entry {
    const index = this.#next;
    if (indexOfKey(key) !== index) {
      throw this.#damage(`entry ${index} is missing`);
    }
    const record = decodeEntry(value, index);
    if (typeof record === "string") {
      throw this.#damage(record);
    }
    const chained = this.#chain === undefined || record.previous === this.#chain;
    if (!chained || record.entry.term !== this.#terms.termAt(index)) {
      throw this.#damage(`entry ${index} does not continue entry ${index - 1}`);
    }
    this.#chain = record.chain;
    return record.entry;
  }
}
