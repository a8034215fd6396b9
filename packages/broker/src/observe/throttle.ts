/**
 * For lines that would otherwise repeat with every connection: whoever knocks a thousand times must
 * not fill the disk with a thousand lines.
 */

const REPEAT_MS = 30_000;
const KEYS_MAX = 1000;

/** Lets the same key through at most once in `REPEAT_MS`, and forgets the oldest of many keys. */
export class Throttle {
  readonly #now: () => number;
  readonly #last = new Map<string, number>();

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  allows(key: string): boolean {
    const now = this.#now();
    const last = this.#last.get(key);
    if (last !== undefined && now - last < REPEAT_MS) return false;
    this.#last.delete(key);
    this.#last.set(key, now);
    if (this.#last.size > KEYS_MAX) this.#last.delete(this.#last.keys().next().value!);
    return true;
  }

  /** The trouble is over: should it come back, it is news again. */
  forget(key: string): void {
    this.#last.delete(key);
  }
}
