/**
 * Cluster time: what leaders stamp never runs ahead of every clock that is right. Held against the
 * true time, in worlds in which one clock at the most is badly wrong and at least three voters
 * have one.
 */
import { EPOCH_MS } from "../node-clock.ts";
import { demand } from "../violation.ts";

/** Slew, delays, and the rate of a monotonic clock that is off. */
const SLACK_MS = 5000;

export class ClockChecker {
  readonly #now: () => number;
  /** How far the clocks that are right may be ahead; undefined: nothing can be said. */
  readonly #aheadMs: number | undefined;

  constructor(now: () => number, aheadMs: number | undefined) {
    this.#now = now;
    this.#aheadMs = aheadMs;
  }

  stamped(at: number): void {
    if (this.#aheadMs === undefined) return;
    const most = EPOCH_MS + this.#now() + this.#aheadMs + SLACK_MS;
    demand(at <= most, "cluster time", () => {
      return `an entry is stamped ${at - most} ms later than any clock that is right`;
    });
  }
}
