/**
 * The way into a store that may be closed while others use it: those inside finish first, those
 * that come later are turned away. A closed store is the caller's timing, not a fault of the disk,
 * so being turned away never counts as a storage error.
 */
import { StoreUnavailable } from "../ports.ts";

export class Gate {
  readonly #what: string;
  #inside = 0;
  #closed = false;
  #onEmpty: (() => void)[] = [];

  /** `what` as in "`what` is closed". */
  constructor(what: string) {
    this.#what = what;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws `StoreUnavailable` once `close` has been called. */
  check(): void {
    if (this.#closed) {
      throw new StoreUnavailable(`${this.#what} is closed`);
    }
  }

  /** `action` begins synchronously. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    this.check();
    this.#inside += 1;
    try {
      return await action();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) {
        for (const wake of this.#onEmpty.splice(0)) {
          wake();
        }
      }
    }
  }

  /** Resolves when nobody is inside any more. May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#inside > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty.push(resolve);
      });
    }
  }
}
