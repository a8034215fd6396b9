/** The terms of a log's entries behind a base: all that the checkers need to know of a log. */
import type { EntryId, LogIndex, Term } from "task-queue-raft";

export class TermLog {
  #base: EntryId;
  #terms: Term[];

  constructor(base: EntryId, terms: Term[]) {
    this.#base = base;
    this.#terms = terms;
  }

  get base(): LogIndex {
    return this.#base.index;
  }

  get last(): LogIndex {
    return this.#base.index + this.#terms.length;
  }

  /** undefined before the base, and behind the end. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.base ? this.#base.term : this.#terms[index - this.base - 1];
  }

  push(term: Term): void {
    this.#terms.push(term);
  }

  cut(from: LogIndex): void {
    this.#terms.length = Math.min(this.#terms.length, Math.max(0, from - this.base - 1));
  }

  reset(base: EntryId): void {
    this.#base = base;
    this.#terms = [];
  }
}
