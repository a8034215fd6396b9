/**
 * Turns rows of the log into one slice: no more bytes than asked (but at least one entry), every
 * entry whole, in place, of the expected term and chained to the one before it. It remembers the
 * log as it was when the rows were asked for: cuts and compactions go on meanwhile.
 */
import type { Entry, EntryId, LogIndex, Term } from "task-queue-raft";
import { type Chain, decodeEntry, indexOfKey } from "./entry-record.ts";
import type { TermRun } from "./term-runs.ts";

export interface SliceExpected {
  readonly from: LogIndex;
  readonly maxBytes: number;
  /** Of the entry before `from`; undefined: not known. */
  readonly before: Chain | undefined;
  /** Terms of the entries from `from` on. */
  readonly runs: readonly TermRun[];
  /** Where the log ends. */
  readonly last: EntryId;
  readonly chain: Chain;
}

export class SliceReader {
  readonly entries: Entry[] = [];
  readonly #expected: SliceExpected;
  readonly #damage: (what: string) => Error;
  #next: LogIndex;
  #run = 0;
  #bytes = 0;
  #full = false;
  #chain: Chain | undefined;

  constructor(expected: SliceExpected, damage: (what: string) => Error) {
    this.#expected = expected;
    this.#damage = damage;
    this.#next = expected.from;
    this.#chain = expected.before;
  }

  /** False once the slice is full. */
  take(rows: readonly (readonly [Buffer, Buffer])[]): boolean {
    for (const [key, value] of rows) {
      const entry = this.#decode(key, value);
      const over = this.#bytes + entry.data.length > this.#expected.maxBytes;
      this.#full = over && this.entries.length > 0;
      if (this.#full) {
        return false;
      }
      this.entries.push(entry);
      this.#bytes += entry.data.length;
      this.#next += 1;
    }
    return true;
  }

  /** To be called at the end. */
  finish(): void {
    const { last, chain } = this.#expected;
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
    if (!chained || record.entry.term !== this.#termOfNext()) {
      throw this.#damage(`entry ${index} does not continue entry ${index - 1}`);
    }
    this.#chain = record.chain;
    return record.entry;
  }

  #termOfNext(): Term | undefined {
    const { runs } = this.#expected;
    while ((runs[this.#run]?.to ?? this.#next) < this.#next) {
      this.#run += 1;
    }
    return runs[this.#run]?.term;
  }
}
