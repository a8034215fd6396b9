/**
 * Binary heaps of lines, which can lose any member in O(log n). Their orders are total, so what a
 * heap gives out does not depend on how it came about. A line is in one heap of either kind at
 * most.
 */
import { assert } from "./assert.ts";
import type { Line } from "./line.ts";
import { NONE } from "./live-table.ts";

/** The field with a line's position, and when a line comes before another. */
export interface LineOrder {
  readonly place: "levelAt" | "agingAt";
  isBefore(line: Line, other: Line): boolean;
}

/** The group with the smaller turn first, then the task with the earlier place in line. */
export const BY_TURN: LineOrder = {
  place: "levelAt",
  isBefore: (line, other) =>
    line.turn !== other.turn ? line.turn < other.turn : line.order < other.order,
};

export const BY_AGE: LineOrder = {
  place: "agingAt",
  isBefore: (line, other) =>
    line.agesAt !== other.agesAt ? line.agesAt < other.agesAt : line.order < other.order,
};

export class LineHeap {
  readonly #order: LineOrder;
  readonly #lines: Line[] = [];

  constructor(order: LineOrder) {
    this.#order = order;
  }

  get size(): number {
    return this.#lines.length;
  }

  get top(): Line | undefined {
    return this.#lines[0];
  }

  /** In no particular order; for checks. */
  at(position: number): Line | undefined {
    return this.#lines[position];
  }

  push(line: Line): void {
    assert(line[this.#order.place] === NONE, "a line is in one heap of a kind at most");
    this.#lines.push(line);
    this.#rise(line, this.#lines.length - 1);
  }

  remove(line: Line): void {
    const at = line[this.#order.place];
    assert(this.#lines[at] === line, "the line is not in this heap");
    line[this.#order.place] = NONE;
    const last = this.#lines.pop()!;
    if (last === line) return;
    this.#rise(last, at);
    if (this.#lines[at] === last) this.#sink(last, at);
  }

  /** After the line's key grew. */
  sank(line: Line): void {
    this.#sink(line, line[this.#order.place]);
  }

  #rise(line: Line, from: number): void {
    const lines = this.#lines;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#order.isBefore(line, lines[above]!)) break;
      this.#put(lines[above]!, at);
      at = above;
    }
    this.#put(line, at);
  }

  #sink(line: Line, from: number): void {
    const lines = this.#lines;
    let at = from;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= lines.length) break;
      const right = below + 1;
      if (right < lines.length && this.#order.isBefore(lines[right]!, lines[below]!)) below = right;
      if (!this.#order.isBefore(lines[below]!, line)) break;
      this.#put(lines[below]!, at);
      at = below;
    }
    this.#put(line, at);
  }

  #put(line: Line, at: number): void {
    this.#lines[at] = line;
    line[this.#order.place] = at;
  }
}
