/**
 * Refusals of one second: one line for all that are alike, with their number. A flood from many
 * addresses must not push what matters out of the files that are kept, so there are only so many.
 */
import type { Deed } from "../operations/audit.ts";
import { REFUSAL_LINES_MAX } from "./limits.ts";

export interface Counted {
  readonly deed: Deed;
  readonly count: number;
}

export class Refusals {
  #lines = new Map<string, { readonly deed: Deed; count: number }>();
  #more = 0;

  get isEmpty(): boolean {
    return this.#lines.size === 0 && this.#more === 0;
  }

  add(deed: Deed): void {
    const { from, door, who, keyId, verb, outcome } = deed;
    const key = [from, door, who, keyId, verb, outcome].join(" ");
    const line = this.#lines.get(key);
    if (line !== undefined) line.count++;
    else if (this.#lines.size < REFUSAL_LINES_MAX) this.#lines.set(key, { deed, count: 1 });
    else this.#more++;
  }

  /** Up to `room` lines are given as they are; all the rest is in one. Begins anew. */
  take(room: number): Counted[] {
    const all = [...this.#lines.values()];
    const taken: Counted[] = all.slice(0, room);
    const more = all.slice(room).reduce((sum, { count }) => sum + count, this.#more);
    this.#lines = new Map();
    this.#more = 0;
    return more === 0 ? taken : [...taken, { deed: { ...MORE, target: words(more) }, count: more }];
  }
}

const MORE: Deed = { who: "", from: "", door: "process", verb: "", target: "", outcome: "refused" };

function words(count: number): string {
  return `${count} more refusals`;
}
