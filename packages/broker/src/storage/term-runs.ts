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
  /** In index order, without gaps, terms rising. */
  #runs: TermRun[] = [];

  get last(): EntryId {
    const run = this.#runs.at(-1);
    return run === undefined ? { term: 0, index: 0 } : { term: run.term, index: run.to };
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

  /** 0 for an index outside the log. */
  termAt(index: LogIndex): Term {
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
