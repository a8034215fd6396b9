/**
 * The answer to a frame of many items: it goes out once every item has its result, in the order of
 * the items. One of these for each frame; no promise for each item.
 */
import type { ItemError } from "task-queue-protocol";
import { assert } from "../queue/index.ts";

/** `index`: the highest log index that any item told. */
type OnComplete<T> = (results: readonly (T | ItemError)[], index: number) => void;

export class Results<T extends { readonly ok: true }> {
  readonly #results: (T | ItemError | undefined)[];
  readonly #onComplete: OnComplete<T>;
  #missing: number;
  #index = 0;

  constructor(count: number, onComplete: OnComplete<T>) {
    this.#results = new Array(count).fill(undefined);
    this.#missing = count;
    this.#onComplete = onComplete;
    if (count === 0) onComplete([], 0);
  }

  /** Once for each position. `index`: where in the log it was applied; 0 = nowhere. */
  set(position: number, result: T | ItemError, index = 0): void {
    assert(this.#results[position] === undefined, "one result for each item");
    this.#results[position] = result;
    this.#missing--;
    if (index > this.#index) this.#index = index;
    if (this.#missing === 0) this.#onComplete(this.#results as (T | ItemError)[], this.#index);
  }
}
