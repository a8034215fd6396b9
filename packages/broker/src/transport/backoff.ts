/**
 * How long to wait before a peer is dialled again. Two rows of doubling pauses: a peer that cannot
 * be reached may be back in a moment; one that refuses has its reasons until something changes.
 */
import {
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  REFUSED_RETRY_MAX_MS,
  REFUSED_RETRY_MIN_MS,
} from "./limits.ts";

/** No more doublings than that, so that the pause stays a number. */
const DOUBLINGS_MAX = 16;

export class Backoff {
  readonly #random: () => number;
  #failures = 0;
  #refusals = 0;

  /** `random` is uniform in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Milliseconds. Jitter, so that those who lost a peer at one moment do not return as one. */
  pauseMs(refused: boolean): number {
    if (refused) {
      const ceiling = doubled(REFUSED_RETRY_MIN_MS, this.#refusals++, REFUSED_RETRY_MAX_MS);
      return ceiling * (0.5 + this.#random() / 2);
    }
    return this.#random() * doubled(RECONNECT_MIN_MS, this.#failures++, RECONNECT_MAX_MS);
  }

  /** The peer was reached, or there is reason to believe that it can be. */
  reset(): void {
    this.#failures = 0;
    this.#refusals = 0;
  }
}

function doubled(first: number, times: number, max: number): number {
  return Math.min(max, first * 2 ** Math.min(times, DOUBLINGS_MAX));
}
