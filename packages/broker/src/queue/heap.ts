/**
 * A binary heap of slots that can lose any member in O(log n): each slot's position is kept in a
 * column of the table. A task is in at most one heap by `heapAt`, so that column serves all of
 * them; the heap of those that can expire, which they are in besides, has `expiryAt` of its own.
 *
 * Its order is total (`order` is unique), so two heaps with the same members give the same sequence
 * however they came about: a replica that restarted leases like one that did not.
 */
import { assert } from "./assert.ts";
import type { LiveTable } from "./live-table.ts";
import { NONE } from "./live-table.ts";

const SIZE_MIN = 8;

/** Which column comes first; ties, and `order` itself, go by place in line. */
export type HeapOrder = "order" | "timerAt" | "expiresAt";

export class SlotHeap {
  readonly #table: LiveTable;
  readonly #sortedBy: HeapOrder;
  #slots = new Int32Array(SIZE_MIN);
  #size = 0;

  constructor(table: LiveTable, sortedBy: HeapOrder) {
    this.#table = table;
    this.#sortedBy = sortedBy;
  }

  get size(): number {
    return this.#size;
  }

  /** The first in line, or NONE. */
  get top(): number {
    return this.#size === 0 ? NONE : this.#slots[0]!;
  }

  /** In no particular order; for checks. */
  at(position: number): number {
    return this.#slots[position]!;
  }

  push(slot: number): void {
    assert(this.#positions[slot] === NONE, "a slot is in one heap at most");
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2);
    this.#rise(slot, this.#size++);
  }

  remove(slot: number): void {
    const positions = this.#positions;
    const position = positions[slot]!;
    assert(this.#slots[position] === slot && position < this.#size, "slot is not in this heap");
    positions[slot] = NONE;
    const last = this.#slots[--this.#size]!;
    if (position < this.#size) this.#settle(last, position);
    // A queue that was long once should not hold its memory for ever.
    if (this.#size * 8 < this.#slots.length && this.#slots.length > 1024) {
      this.#resize(this.#slots.length / 2);
    }
  }

  /** After the slot's key changed. */
  moved(slot: number): void {
    this.#settle(slot, this.#positions[slot]!);
  }

  /** True when `slot` must come before `other`. */
  isBefore(slot: number, other: number): boolean {
    const table = this.#table;
    if (this.#sortedBy !== "order") {
      const times = this.#sortedBy === "timerAt" ? table.timerAt : table.expiresAt;
      const at = times[slot]!;
      const otherAt = times[other]!;
      if (at !== otherAt) return at < otherAt;
    }
    return table.order[slot]! < table.order[other]!;
  }

  /** To be asked anew after each `add` to the table, which may replace its columns. */
  get #positions(): Int32Array {
    return this.#sortedBy === "expiresAt" ? this.#table.expiryAt : this.#table.heapAt;
  }

  #settle(slot: number, position: number): void {
    const parent = this.#slots[(position - 1) >> 1]!;
    if (position > 0 && this.isBefore(slot, parent)) this.#rise(slot, position);
    else this.#sink(slot, position);
  }

  #rise(slot: number, from: number): void {
    const heapAt = this.#positions;
    let position = from;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = this.#slots[above]!;
      if (!this.isBefore(slot, parent)) break;
      this.#slots[position] = parent;
      heapAt[parent] = position;
      position = above;
    }
    this.#slots[position] = slot;
    heapAt[slot] = position;
  }

  #sink(slot: number, from: number): void {
    const heapAt = this.#positions;
    let position = from;
    for (;;) {
      let below = position * 2 + 1;
      if (below >= this.#size) break;
      const right = below + 1;
      if (right < this.#size && this.isBefore(this.#slots[right]!, this.#slots[below]!)) {
        below = right;
      }
      const child = this.#slots[below]!;
      if (!this.isBefore(child, slot)) break;
      this.#slots[position] = child;
      heapAt[child] = position;
      position = below;
    }
    this.#slots[position] = slot;
    heapAt[slot] = position;
  }

  #resize(length: number): void {
    const next = new Int32Array(length);
    next.set(this.#slots.subarray(0, this.#size));
    this.#slots = next;
  }
}
