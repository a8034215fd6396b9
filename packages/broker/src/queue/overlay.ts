/**
 * Records that changed since the last flush, laid over the store: reads look in `dirty`, then in
 * `flushing`, then on disk. What a flush is writing stays readable until it is known to be there,
 * and what changes meanwhile is in `dirty` and survives the flush.
 */
import { assert } from "./assert.ts";
import { keyText } from "./keys.ts";
import type { RecordReader, RecordWrite } from "./records.ts";
import type { KeyRange } from "./view.ts";

export class Overlay {
  readonly #reader: RecordReader;
  #dirty = new Map<string, RecordWrite>();
  #flushing: Map<string, RecordWrite> | undefined;

  constructor(reader: RecordReader) {
    this.#reader = reader;
  }

  /** Records that the next flush would write. */
  get dirtyCount(): number {
    return this.#dirty.size;
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const hot = this.#find(key);
    return hot === undefined ? this.#reader.get(key) : hot.value;
  }

  /** Like `get`, but undefined when only the store could know. */
  hot(key: Uint8Array): Uint8Array | undefined {
    return this.#find(key)?.value;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#dirty.set(keyText(key), { key, value });
  }

  delete(key: Uint8Array): void {
    this.#dirty.set(keyText(key), { key, value: undefined });
  }

  beginFlush(): RecordWrite[] {
    assert(this.#flushing === undefined, "a flush is already under way");
    this.#flushing = this.#dirty;
    this.#dirty = new Map();
    return [...this.#flushing.values()];
  }

  flushed(): void {
    assert(this.#flushing !== undefined, "no flush is under way");
    this.#flushing = undefined;
  }

  /** What the store does not have yet of a range, in key order; value undefined = deleted. */
  range(range: KeyRange): RecordWrite[] {
    const from = keyText(range.gte);
    const to = keyText(range.lt);
    const found = new Map<string, RecordWrite>();
    for (const records of [this.#flushing, this.#dirty]) {
      if (records === undefined) continue;
      for (const [text, record] of records) {
        if (text >= from && text < to) found.set(text, record);
      }
    }
    // Bytes as UTF-16 units: the default order of strings is the order of the keys.
    return [...found.keys()].sort(compareText).map((text) => found.get(text)!);
  }

  #find(key: Uint8Array): RecordWrite | undefined {
    if (this.#dirty.size === 0 && this.#flushing === undefined) return undefined;
    const text = keyText(key);
    return this.#dirty.get(text) ?? this.#flushing?.get(text);
  }
}

/** By code units, the order of the bytes that the text stands for. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
