/**
 * Positions that answers about the log have named, each for whom it was named. One that was named a
 * moment ago goes on with a reading that has its line; any other one, made up or kept for long,
 * begins a reading of its own. Bounded: what is forgotten costs a line.
 */
import { POSITION_MS_MAX, POSITIONS_MAX } from "./limits.ts";

export class Positions {
  /** Until when each is good, the oldest first; ms of a monotonic clock. */
  readonly #until = new Map<string, number>();

  name(who: string, position: string, now: number): void {
    const key = keyOf(who, position);
    this.#until.delete(key);
    this.#until.set(key, now + POSITION_MS_MAX);
    if (this.#until.size > POSITIONS_MAX) this.#until.delete(this.#until.keys().next().value!);
  }

  isNamed(who: string, position: string, now: number): boolean {
    return now <= (this.#until.get(keyOf(who, position)) ?? -1);
  }
}

function keyOf(who: string, position: string): string {
  return `${position} ${who}`;
}
