/**
 * A binary heap of slots that can lose any member in O(log n): each slot's position is kept in the
 * table's `heapAt`. A task is in at most one heap, so one column serves all of them.
 *
 * Its order is total (`order` is unique), so two heaps with the same members give the same sequence
 * however they came about: a replica that restarted leases like one that did not.
 */
import { assert } from "./assert.ts";
import type { LiveTable } from "./live-table.ts";
import { NONE } from "./live-table.ts";

const SIZE_MIN = 8;

export class SlotHeap {
  readonly #table: LiveTable;
  /** Sort by `timerAt` first; otherwise by `order` alone. */
  readonly #timed: boolean;
  #slots = new Int32Array(SIZE_MIN);
  #size = 0;

  constructor(table: LiveTable, timed: boolean) {
    this.#table = table;
    this.#timed = timed;
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
    assert(this.#table.heapAt[slot] === NONE, "a slot is in one heap at most");
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2);
    this.#rise(slot, this.#size++);
  }

  remove(slot: number): void {
    const position = this.#table.heapAt[slot]!;
    assert(this.#slots[position] === slot && position < this.#size, "slot is not in this heap");
    this.#table.heapAt[slot] = NONE;
    const last = this.#slots[--this.#size]!;
    if (position < this.#size) this.#settle(last, position);
    // A queue that was long once should not hold its memory for ever.
    if (this.#size * 8 < this.#slots.length && this.#slots.length > 1024) {
      this.#resize(this.#slots.length / 2);
    }
  }

  /** After the slot's key changed. */
  moved(slot: number): void {
    this.#settle(slot, this.#table.heapAt[slot]!);
  }

  /** True when `slot` must come before `other`. */
  isBefore(slot: number, other: number): boolean {
    const table = this.#table;
    if (this.#timed) {
      const at = table.timerAt[slot]!;
      const otherAt = table.timerAt[other]!;
      if (at !== otherAt) return at < otherAt;
    }
    return table.order[slot]! < table.order[other]!;
  }

  #settle(slot: number, position: number): void {
    const parent = this.#slots[(position - 1) >> 1]!;
    if (position > 0 && this.isBefore(slot, parent)) this.#rise(slot, position);
    else this.#sink(slot, position);
  }

  #rise(slot: number, from: number): void {
    const heapAt = this.#table.heapAt;
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
    const heapAt = this.#table.heapAt;
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
