/**
 * The answer to a frame of many items: it goes out once every item has its result, in the order of
 * the items. One of these for each frame; no promise for each item.
 */
import type { ItemError } from "task-queue-protocol";
import { assert } from "../queue/index.ts";

export class Results<T extends { readonly ok: true }> {
  readonly #results: (T | ItemError | undefined)[];
  readonly #onComplete: (results: readonly (T | ItemError)[]) => void;
  #missing: number;

  constructor(count: number, onComplete: (results: readonly (T | ItemError)[]) => void) {
    this.#results = new Array(count).fill(undefined);
    this.#missing = count;
    this.#onComplete = onComplete;
    if (count === 0) onComplete([]);
  }

  /** Once for each position. */
  set(position: number, result: T | ItemError): void {
    assert(this.#results[position] === undefined, "one result for each item");
    this.#results[position] = result;
    this.#missing--;
    if (this.#missing === 0) this.#onComplete(this.#results as (T | ItemError)[]);
  }
}
