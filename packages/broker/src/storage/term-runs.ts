/**
 * The term of every entry of a log in a few numbers: terms never fall along a log, so it is a list
 * of runs, one for each term that wrote something. Answers "which term is at this index" without
 * a read, and which entries a cut takes away.
 */
import type { EntryId, LogIndex, Term } from "task-queue-raft";

/** All entries `from <= index <= to` of one term. */
export interface TermRun {
  readonly term: Term;
  readonly from: LogIndex;
  readonly to: LogIndex;
}

export class TermRuns {
  /** The entry before the first one. */
  #base: EntryId;
  /** In index order, without gaps, terms rising. */
  #runs: TermRun[] = [];

  constructor(base: EntryId = { term: 0, index: 0 }) {
    this.#base = { term: base.term, index: base.index };
  }

  /** The last entry, or the one before the first. */
  get last(): EntryId {
    const run = this.#runs.at(-1);
    return run === undefined ? this.#base : { term: run.term, index: run.to };
  }

  /** The next entry; index and term must follow the last one. */
  append(id: EntryId): void {
    const run = this.#runs.at(-1);
    if (run !== undefined && run.term === id.term) {
      this.#runs[this.#runs.length - 1] = { ...run, to: id.index };
    } else {
      this.#runs.push({ term: id.term, from: id.index, to: id.index });
    }
  }

  /** Drops `from` and all behind it. */
  cut(from: LogIndex): void {
    this.#runs = this.#runs
      .filter((run) => run.from < from)
      .map((run) => (run.to < from ? run : { ...run, to: from - 1 }));
  }

  /** What `cut(from)` would drop. */
  tail(from: LogIndex): readonly TermRun[] {
    return this.#runs
      .filter((run) => run.to >= from)
      .map((run) => (run.from >= from ? run : { ...run, from }));
  }

  /** Drops `upTo` and all before it; their term stays known at `upTo` itself. */
  compact(upTo: LogIndex): void {
    this.#base = { term: this.termAt(upTo), index: upTo };
    this.#runs = this.#runs
      .filter((run) => run.to > upTo)
      .map((run) => (run.from > upTo ? run : { ...run, from: upTo + 1 }));
  }

  /** Drops everything; the next entry follows `base`. */
  reset(base: EntryId): void {
    this.#base = { term: base.term, index: base.index };
    this.#runs = [];
  }

  /** Also that of the entry before the first one; 0 for an index outside the log. */
  termAt(index: LogIndex): Term {
    if (index === this.#base.index) {
      return this.#base.term;
    }
    let low = 0;
    let high = this.#runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const run = this.#runs[middle]!;
      if (index < run.from) {
        high = middle - 1;
      } else if (index > run.to) {
        low = middle + 1;
      } else {
        return run.term;
      }
    }
    return 0;
  }
}

/** True if one of the runs holds this very entry. */
export function holds(runs: readonly TermRun[], id: EntryId): boolean {
  return runs.some((run) => run.term === id.term && run.from <= id.index && id.index <= run.to);
}

/** The runs without what `gone` covers. */
export function subtract(runs: readonly TermRun[], gone: TermRun): readonly TermRun[] {
  return runs.flatMap((run) => {
    if (run.term !== gone.term || gone.to < run.from || run.to < gone.from) {
      return [run];
    }
    const before = { ...run, to: gone.from - 1 };
    const after = { ...run, from: gone.to + 1 };
    return [before, after].filter((part) => part.from <= part.to);
  });
}
