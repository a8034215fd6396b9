/**
 * One state on a simulated disk: its records and the mark of the flush that they are from. A node
 * has a live one, for a while one that is being received beside it, and views of earlier moments.
 */
import type { Flush, KeyRange } from "../../packages/broker/src/queue/index.ts";
import type { FlushMark } from "../../packages/broker/src/replica/index.ts";

export type Row = readonly [key: Uint8Array, value: Uint8Array];

export class StateImage {
  #records = new Map<string, Row>();
  /** undefined: rows are still missing. */
  mark: FlushMark | undefined;

  constructor(mark: FlushMark | undefined) {
    this.mark = mark;
  }

  get size(): number {
    return this.#records.size;
  }

  get(key: string): Uint8Array | undefined {
    return this.#records.get(key)?.[1];
  }

  put(rows: readonly Row[]): void {
    for (const row of rows) this.#records.set(keyText(row[0]), row);
  }

  apply({ writes }: Flush, mark: FlushMark): void {
    for (const { key, value } of writes) {
      if (value === undefined) this.#records.delete(keyText(key));
      else this.#records.set(keyText(key), [key, value]);
    }
    this.mark = mark;
  }

  /** In key order. */
  scan(range: KeyRange): Row[] {
    const from = keyText(range.gte);
    const to = keyText(range.lt);
    const keys = [...this.#records.keys()].filter((key) => key >= from && key < to).sort();
    return keys.map((key) => this.#records.get(key)!);
  }

  /** All records in key order. */
  rows(): Row[] {
    return [...this.#records.keys()].sort().map((key) => this.#records.get(key)!);
  }
}

/** Key bytes as a string of the same order. */
export function keyText(key: Uint8Array): string {
  return String.fromCharCode.apply(null, key as unknown as number[]);
}
