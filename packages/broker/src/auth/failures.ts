/**
 * How many wrong keys came from each address, and how long it has to wait for that before another
 * key of it is checked. Right keys that are known are none of its business: a stranger who guesses
 * from behind the same router holds up nobody who is known.
 */
import { RateLimited } from "../operations/access.ts";
import { groupOf } from "../operations/address-group.ts";
import { BoundedMap } from "./bounded-map.ts";
import { ADDRESSES_MAX, DELAY_MS, DELAY_MS_MAX, FAILURES_FREE, FAILURES_MS } from "./limits.ts";

interface Record {
  readonly count: number;
  readonly at: number;
}

export class Failures {
  readonly #records = new BoundedMap<string, Record>(ADDRESSES_MAX);
  readonly #now: () => number;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds that this address still has to wait; 0 = none. */
  waitMs(address: string): number {
    const { count, at } = this.#of(address);
    const doublings = count - FAILURES_FREE;
    if (doublings < 0) return 0;
    return Math.max(0, at + Math.min(DELAY_MS * 2 ** doublings, DELAY_MS_MAX) - this.#now());
  }

  /** Throws `RateLimited` while it has to. */
  demandPatience(address: string): void {
    const waitMs = this.waitMs(address);
    if (waitMs === 0) return;
    const text = `too many wrong keys came from this address; wait ${Math.ceil(waitMs / 1000)} s`;
    throw new RateLimited(text, waitMs);
  }

  add(address: string): void {
    this.#records.set(groupOf(address), { count: this.#of(address).count + 1, at: this.#now() });
  }

  #of(address: string): Record {
    const record = this.#records.get(groupOf(address));
    const isOld = record === undefined || this.#now() - record.at > FAILURES_MS;
    return isOld ? { count: 0, at: 0 } : record;
  }
}
