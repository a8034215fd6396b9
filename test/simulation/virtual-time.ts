/**
 * Virtual time and everything that is still to happen. Actions run one at a time, in the order of
 * their time and, at equal times, of their scheduling; time stands still while one runs.
 */

interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

export class VirtualTime {
  #now = 0;
  #order = 0;
  readonly #heap: Scheduled[] = [];

  /** ms since the simulation began. */
  get now(): number {
    return this.#now;
  }

  /** Runs `action` `delayMs` from now; there is no way to take it back. */
  after(delayMs: number, action: () => void): void {
    const at = this.#now + Math.max(0, delayMs);
    this.#rise({ at, order: this.#order++, action });
  }

  /** Runs what is due until `end`; afterwards it is `end`. */
  runUntil(end: number): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#removeFirst();
      this.#now = next.at;
      next.action();
    }
    this.#now = end;
  }

  #rise(item: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const item = heap.pop()!;
    const size = heap.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, item)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  }
}

function before(one: Scheduled, other: Scheduled): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
