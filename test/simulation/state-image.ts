/**
 * One state on a simulated disk: its records and the mark of the flush that they are from. A node
 * has a live one, for a while one that is being received beside it, and views of earlier moments.
 */
import type { Flush, KeyRange } from "../../packages/broker/src/queue/index.ts";
import type { FlushMark } from "../../packages/broker/src/replica/index.ts";

/** A process that reads what is damaged ends at once, before it has done anything with it. */
export class DamageFound extends Error {
  override readonly name = "DamageFound";
}

export type Row = readonly [key: Uint8Array, value: Uint8Array];

export class StateImage {
  #records = new Map<string, Row>();
  /** Records that are there no more, or not as they were written. */
  readonly #bad = new Set<string>();
  /** undefined: rows are still missing. */
  mark: FlushMark | undefined;

  constructor(mark: FlushMark | undefined) {
    this.mark = mark;
  }

  get size(): number {
    return this.#records.size;
  }

  /** Throws `DamageFound`: a damaged record never counts as absent. */
  get(key: string): Uint8Array | undefined {
    if (this.#bad.size > 0 && this.#bad.has(key)) throw new DamageFound("a record of the state");
    return this.#records.get(key)?.[1];
  }

  /** Records whose value fails its checksum, or that are gone. */
  get badCount(): number {
    return this.#bad.size;
  }

  /** Some records at this share of the way through them go bad. */
  spoil(share: number, count: number): void {
    const keys = [...this.#records.keys()].sort();
    const from = Math.floor(share * keys.length);
    for (const key of keys.slice(from, from + count)) this.#bad.add(key);
  }

  copy(): StateImage {
    const copy = new StateImage(this.mark);
    for (const [key, row] of this.#records) copy.#records.set(key, row);
    for (const key of this.#bad) copy.#bad.add(key);
    return copy;
  }

  put(rows: readonly Row[]): void {
    for (const row of rows) this.#records.set(keyText(row[0]), row);
  }

  apply({ writes }: Flush, mark: FlushMark): void {
    for (const { key, value } of writes) {
      if (this.#bad.size > 0) this.#bad.delete(keyText(key));
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

  /** All records in key order. Throws `DamageFound`, like every read. */
  rows(): Row[] {
    if (this.#bad.size > 0) throw new DamageFound("a record that a snapshot needs");
    return [...this.#records.keys()].sort().map((key) => this.#records.get(key)!);
  }
}

/** Key bytes as a string of the same order. */
export function keyText(key: Uint8Array): string {
  return String.fromCharCode.apply(null, key as unknown as number[]);
}

/** Of a node that has applied nothing yet. */
export function emptyState(membership: Uint8Array): StateImage {
  return new StateImage({ applied: 0, logDurable: { term: 0, index: 0 }, membership });
}
