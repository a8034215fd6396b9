/**
 * Calls are begun a turn of the loop after they came, a few milliseconds' worth in each turn and
 * each address in its turn. To begin one costs far more than to hear of it: so a call that is taken
 * back at once costs little, and a thousand that come together hold up nobody else. Only so many
 * wait, for nobody weighs what they have sent by then.
 */
import type { ServerHttp2Stream } from "node:http2";
import { BEGIN_MS_MAX, WAITING_MAX } from "./limits.ts";

/** What becomes of a call: one of them is called, unless it is taken back. */
export interface Waiting {
  readonly begin: () => void;
  readonly refuse: () => void;
}

export class Turns {
  /** By address, the next one first; of each in the order in which they came. */
  readonly #waiting = new Map<string, Map<ServerHttp2Stream, Waiting>>();
  readonly #now: () => number;
  #isSet = false;
  #size = 0;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(group: string, stream: ServerHttp2Stream, waiting: Waiting): void {
    const same = this.#waiting.get(group) ?? new Map();
    this.#waiting.set(group, same.set(stream, waiting));
    this.#size++;
    this.#set();
    if (this.#size > WAITING_MAX) this.#refuseOne(group, stream);
  }

  /** True: it had not been begun, and will not be. */
  takeBack(group: string, stream: ServerHttp2Stream): boolean {
    const same = this.#waiting.get(group);
    if (same === undefined || !same.delete(stream)) return false;
    this.#size--;
    if (same.size === 0) this.#waiting.delete(group);
    return true;
  }

  /** The newest of the address with most of them, which is `added` where others have as many. */
  #refuseOne(added: string, newest: ServerHttp2Stream): void {
    let group = added;
    let most = this.#waiting.get(added)!;
    for (const [each, same] of this.#waiting)
      if (same.size > most.size) [group, most] = [each, same];
    // In a flood it is nearly always the one that came, for which nobody walks the others.
    const stream = group === added ? newest : [...most.keys()].at(-1)!;
    const { refuse } = most.get(stream)!;
    this.takeBack(group, stream);
    refuse();
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
      const [stream, { begin }] = first!;
      same.delete(stream);
      this.#size--;
      // Behind all others.
      this.#waiting.delete(group);
      if (same.size > 0) this.#waiting.set(group, same);
      begin();
      return;
    }
  }
}
