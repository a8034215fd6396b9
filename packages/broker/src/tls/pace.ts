/**
 * How fast handshakes may begin: by what they cost, so that together they take no more than a share
 * of the loop's time, and no more than a few milliseconds of it at once.
 */

export interface PaceOptions {
  /** Of the time, from 0 to 1. */
  readonly share: number;
  readonly burstMs: number;
}

export class Pace {
  readonly #options: PaceOptions;
  /** When everything that has begun is paid for. */
  #paidAtMs = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Until the next one may begin; 0 = now. */
  waitMs(nowMs: number): number {
    const { share, burstMs } = this.#options;
    return Math.max(0, this.#paidAtMs - nowMs - burstMs / share);
  }

  /** One begins that takes `costMs` of the loop. */
  begin(nowMs: number, costMs: number): void {
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs) + costMs / this.#options.share;
  }
}
