/**
 * The one timer of a node. It follows the node's own monotonic clock, fires late rather than early
 * like those of an operating system, and one that is armed too early is left alone: when it fires,
 * it looks again.
 */
import type { NodeClock } from "./node-clock.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

const NEVER = Number.POSITIVE_INFINITY;

export class Alarm {
  readonly #time: VirtualTime;
  readonly #clock: NodeClock;
  readonly #random: Random;
  readonly #ring: () => void;
  /** Monotonic time at which it is to ring, and simulated time of the armed timer. */
  #deadline = NEVER;
  #armedAt = NEVER;

  constructor(time: VirtualTime, clock: NodeClock, random: Random, ring: () => void) {
    this.#time = time;
    this.#clock = clock;
    this.#random = random;
    this.#ring = ring;
  }

  /** Also to be called when the clock has got another rate. */
  reset(): void {
    this.#deadline = NEVER;
    this.#armedAt = NEVER;
  }

  arm(deadline: number): void {
    this.#deadline = deadline;
    if (deadline === NEVER) return;
    const late = this.#random.between(0.01, 1);
    const at = Math.max(this.#clock.whenMonotonic(deadline), this.#time.now) + late;
    if (at >= this.#armedAt) return;
    this.#armedAt = at;
    this.#time.after(at - this.#time.now, () => this.#fired(at));
  }

  #fired(armedAt: number): void {
    if (armedAt !== this.#armedAt) return;
    this.#armedAt = NEVER;
    if (this.#clock.monotonic(this.#time.now) >= this.#deadline) this.#ring();
    else this.arm(this.#deadline);
  }
}
