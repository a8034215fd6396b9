/**
 * How much each key may ask of this broker: a bucket of tokens for each key, which fills at the
 * key's rate. Whatever is asked is taken as soon as there is one whole token, and what it costs
 * beyond that is owed: so a batch that is larger than the bucket comes through, and delays what
 * comes after it. Nothing here knows whose keys these are or which door they came through.
 */
import { RateLimited } from "../operations/access.ts";
import { BATCH_TASKS_MAX } from "../operations/limits.ts";
import { BoundedMap } from "./bounded-map.ts";
import { BUCKETS_MAX, LIMITED_NAMES_MAX, OTHER_NAMES } from "./limits.ts";

export interface Rate {
  /** Requests, or tasks of a batch. */
  readonly perSecond: number;
  /** What may come at once after a pause. */
  readonly burst: number;
}

interface Bucket {
  /** Below 0: owed. */
  tokens: number;
  filledAt: number;
}

/** So that whoever comes back exactly when told to is not refused by a rounding. */
const ROUNDING = 1e-6;

export class KeyRates {
  readonly #buckets = new BoundedMap<string, Bucket>(BUCKETS_MAX);
  readonly #limited = new Map<string, number>();
  readonly #now: () => number;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Refusals since this process started, by the names of the keys; few names, then `(other)`. */
  get limited(): ReadonlyMap<string, number> {
    return this.#limited;
  }

  /**
   * Throws `RateLimited`, and then takes nothing. `paid`: taken for the same request before.
   * `owner`: whose bucket it is, where another key may have the same name.
   */
  spend(name: string, rate: Rate, count: number, paid = 0, owner = name): void {
    const { perSecond, burst } = rate;
    const bucket = this.#filled(owner, perSecond, burst);
    if (bucket.tokens + paid < 1 - ROUNDING) {
      this.#note(name);
      const waitMs = Math.ceil(((1 - bucket.tokens) / perSecond) * 1_000);
      const may = `the key "${name}" may ask for ${perSecond} a second of this broker`;
      throw new RateLimited(`${may}, and has had them; wait ${waitMs} ms`, waitMs);
    }
    // More than a batch may have is refused for that, and must not be owed for hours.
    bucket.tokens -= Math.min(count, BATCH_TASKS_MAX);
  }

  #filled(owner: string, perSecond: number, burst: number): Bucket {
    const now = this.#now();
    let bucket = this.#buckets.get(owner);
    if (bucket === undefined) {
      bucket = { tokens: burst, filledAt: now };
      this.#buckets.set(owner, bucket);
      return bucket;
    }
    const since = (now - bucket.filledAt) / 1_000;
    bucket.tokens = Math.min(burst, bucket.tokens + since * perSecond);
    bucket.filledAt = now;
    return bucket;
  }

  #note(name: string): void {
    const isKnown = this.#limited.has(name) || this.#limited.size < LIMITED_NAMES_MAX;
    const label = isKnown ? name : OTHER_NAMES;
    this.#limited.set(label, (this.#limited.get(label) ?? 0) + 1);
  }
}
