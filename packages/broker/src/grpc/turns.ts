/**
 * Calls are begun a turn of the loop after they came, a few milliseconds' worth in each turn and
 * each address in its turn. To begin one costs far more than to hear of it: so a call that is taken
 * back at once costs little, and a thousand that come together hold up nobody else.
 */
import type { ServerHttp2Stream } from "node:http2";
import { BEGIN_MS_MAX } from "./limits.ts";

export class Turns {
  /** By address, the next one first; of each in the order in which they came. */
  readonly #waiting = new Map<string, Map<ServerHttp2Stream, () => void>>();
  readonly #now: () => number;
  #isSet = false;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(group: string, stream: ServerHttp2Stream, begin: () => void): void {
    const same = this.#waiting.get(group) ?? new Map();
    this.#waiting.set(group, same.set(stream, begin));
    this.#set();
  }

  /** True: it had not been begun, and will not be. */
  takeBack(group: string, stream: ServerHttp2Stream): boolean {
    const same = this.#waiting.get(group);
    if (same === undefined || !same.delete(stream)) return false;
    if (same.size === 0) this.#waiting.delete(group);
    return true;
  }

  #set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isSet = false;
    const until = this.#now() + BEGIN_MS_MAX;
    // At least one, whatever the clock says.
    do this.#beginOne();
    while (this.#waiting.size > 0 && this.#now() < until);
    if (this.#waiting.size > 0) this.#set();
  }

  #beginOne(): void {
    for (const [group, same] of this.#waiting) {
      const [first] = same;
      const [stream, begin] = first!;
      same.delete(stream);
      // Behind all others.
      this.#waiting.delete(group);
      if (same.size > 0) this.#waiting.set(group, same);
      begin();
      return;
    }
  }
}
