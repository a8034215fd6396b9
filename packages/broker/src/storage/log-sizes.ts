/**
 * How many bytes of data the log holds, without remembering the size of each entry: a running
 * total is noted every so many entries, and between two notes all entries count as equally long.
 */
import type { LogIndex } from "task-queue-raft";

/** Entries between two notes. */
const NOTE_EVERY = 1000;

interface Note {
  readonly index: LogIndex;
  /** Bytes of all entries up to and with this one, from some point on. */
  readonly total: number;
}

export class LogSizes {
  /** Rising; the first is where the log begins, the last where it ends. */
  #notes: Note[];

  /** An empty log behind the entry `base`. */
  constructor(base: LogIndex) {
    this.#notes = [{ index: base, total: 0 }];
  }

  /** Bytes of data of all entries, roughly; never negative. */
  get bytes(): number {
    return this.#notes.at(-1)!.total - this.#notes[0]!.total;
  }

  /** The next entry. */
  append(bytes: number): void {
    const end = this.#notes.at(-1)!;
    const before = this.#notes.at(-2);
    if (before !== undefined && end.index % NOTE_EVERY !== 0) {
      this.#notes.pop();
    }
    this.#notes.push({ index: end.index + 1, total: end.total + bytes });
  }

  /** Drops `from` and all behind it. */
  cut(from: LogIndex): void {
    if (from <= this.#notes.at(-1)!.index) {
      const total = this.#totalAt(from - 1);
      this.#notes = this.#notes.filter(({ index }) => index < from - 1);
      this.#notes.push({ index: from - 1, total });
    }
  }

  /** Drops `upTo` and all before it. */
  compact(upTo: LogIndex): void {
    const total = this.#totalAt(upTo);
    this.#notes = this.#notes.filter(({ index }) => index > upTo);
    this.#notes.unshift({ index: upTo, total });
  }

  #totalAt(at: LogIndex): number {
    const next = this.#notes.findIndex(({ index }) => index >= at);
    const after = this.#notes[next]!;
    const before = this.#notes[next - 1] ?? after;
    if (after.index === at) {
      return after.total;
    }
    const share = (at - before.index) / (after.index - before.index);
    return Math.round(before.total + share * (after.total - before.total));
  }
}
