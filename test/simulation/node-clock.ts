/**
 * The two clocks of one node: a monotonic one that starts anew with each boot and may run fast or
 * slow, and a wall clock that is off by some amount, may jump, and may jump to and fro.
 */

/** Wall time at the start of every simulation: some day in 2025. */
export const EPOCH_MS = 1_750_000_000_000;

export class NodeClock {
  readonly #nativeRate: number;
  #rate: number;
  #wallOffsetMs: number;
  #strobeMs = 0;
  #strobePeriodMs = 1;
  #strobeUntil = 0;
  /** A moment since which the rate is what it is, on both scales. */
  #since = 0;
  #sinceMono = 0;

  /** `rate`: monotonic ms per real ms. `skewMs`: how far the wall clock is ahead. */
  constructor(rate: number, skewMs: number) {
    this.#nativeRate = rate;
    this.#rate = rate;
    this.#wallOffsetMs = skewMs;
  }

  boot(now: number): void {
    this.#since = now;
    this.#sinceMono = 0;
  }

  /** The monotonic clock runs so much faster than it should; 1 = as it did at first. */
  drift(now: number, factor: number): void {
    this.#sinceMono = this.monotonic(now);
    this.#since = now;
    this.#rate = this.#nativeRate * factor;
  }

  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** The wall clock jumps ahead and back with this period. */
  strobe(ms: number, periodMs: number, until: number): void {
    this.#strobeMs = ms;
    this.#strobePeriodMs = periodMs;
    this.#strobeUntil = until;
  }

  monotonic(now: number): number {
    return this.#sinceMono + (now - this.#since) * this.#rate;
  }

  /** Simulated time at which the monotonic clock will show `monotonic`. */
  whenMonotonic(monotonic: number): number {
    return this.#since + (monotonic - this.#sinceMono) / this.#rate;
  }

  wall(now: number): number {
    const isAhead = now < this.#strobeUntil && Math.floor(now / this.#strobePeriodMs) % 2 === 1;
    return Math.floor(EPOCH_MS + now + this.#wallOffsetMs + (isAhead ? this.#strobeMs : 0));
  }
}
