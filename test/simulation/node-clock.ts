/**
 * The two clocks of one node: a monotonic one that starts anew with each boot and may run a little
 * fast or slow, and a wall clock that is off by some amount and may jump.
 */

/** Wall time at the start of every simulation: some day in 2025. */
export const EPOCH_MS = 1_750_000_000_000;

export class NodeClock {
  readonly #rate: number;
  #wallOffsetMs: number;
  #bootAt = 0;

  /** `rate`: monotonic ms per real ms. `skewMs`: how far the wall clock is ahead. */
  constructor(rate: number, skewMs: number) {
    this.#rate = rate;
    this.#wallOffsetMs = skewMs;
  }

  boot(now: number): void {
    this.#bootAt = now;
  }

  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  monotonic(now: number): number {
    return (now - this.#bootAt) * this.#rate;
  }

  /** Simulated time at which the monotonic clock will show `monotonic`. */
  whenMonotonic(monotonic: number): number {
    return this.#bootAt + monotonic / this.#rate;
  }

  wall(now: number): number {
    return Math.floor(EPOCH_MS + now + this.#wallOffsetMs);
  }
}
