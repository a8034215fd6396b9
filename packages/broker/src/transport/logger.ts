/**
 * The lines this folder writes, in the calling convention of pino, and a throttle for those that
 * would otherwise repeat with every attempt to connect.
 */

/** Fields first, then the line itself. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

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
