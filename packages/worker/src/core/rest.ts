/**
 * A worker that takes nothing more comes to rest: nothing is at work, and nothing is left to
 * report. Here is who waits for that. It is told once, until the worker takes tasks again.
 */

export interface RestOptions {
  isAtRest(): boolean;
  /** It has come to rest. */
  reached(): void;
}

export class Rest {
  readonly #options: RestOptions;
  #isSought = false;
  #isTold = false;
  #waiting: (() => void)[] = [];

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Resolves at rest, or when that is given up. To be called once nothing more is taken. */
  seek(): Promise<void> {
    this.#isSought = true;
    const atRest = new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
    this.look();
    return atRest;
  }

  /** A run or a report has ended. */
  look(): void {
    if (!this.#isSought || !this.#options.isAtRest()) return;
    if (!this.#isTold) this.#options.reached();
    this.#isTold = true;
    this.#wake();
  }

  /** Tasks are taken again, or the worker is gone. */
  giveUp(): void {
    this.#isSought = false;
    this.#isTold = false;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
