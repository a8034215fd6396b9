/**
 * What a selftest has asked of its cluster and what it was told. Tasks have numbers of their own,
 * which tell a task that was made twice from two tasks.
 */
export interface Totals {
  readonly submitted: number;
  readonly acknowledged: number;
  /** Certainly or possibly not done: what became of them is not known. */
  readonly unanswered: number;
  /** Runs of handlers, of which a task may have more than one. */
  readonly runs: number;
  /** ms. */
  readonly longestPause: number;
}

export class Ledger {
  /** Numbers of acknowledged tasks by id. */
  readonly acknowledged = new Map<string, number>();
  /** Numbers of all that have been handled. */
  readonly handled = new Set<number>();
  readonly #unanswered = new Set<number>();
  #submitted = 0;
  #runs = 0;
  #acknowledgedAt = 0;
  #longestPause = 0;

  /** Pauses count from now on. */
  begin(): void {
    this.#acknowledgedAt = performance.now();
  }

  /** The number of the next task. */
  next(): number {
    return this.#submitted++;
  }

  acknowledge(id: string, n: number): void {
    this.acknowledged.set(id, n);
    const now = performance.now();
    this.#longestPause = Math.max(this.#longestPause, now - this.#acknowledgedAt);
    this.#acknowledgedAt = now;
  }

  failed(n: number): void {
    this.#unanswered.add(n);
  }

  handle(n: number): void {
    this.handled.add(n);
    this.#runs++;
  }

  /** Nobody was told that it was made, and nobody that it was not. */
  isUnanswered(n: number): boolean {
    return this.#unanswered.has(n);
  }

  get totals(): Totals {
    return {
      submitted: this.#submitted,
      acknowledged: this.acknowledged.size,
      unanswered: this.#unanswered.size,
      runs: this.#runs,
      longestPause: Math.round(this.#longestPause),
    };
  }
}
