/**
 * Contents that are on disk and stay in memory for a while, because most tasks are leased soon
 * after they were submitted, and a payload read back costs a trip to the disk. First in, first out,
 * within a number and a weight; a backlog beyond that is cold.
 */
import { HOT_CONTENT_BYTES_MAX } from "./limits.ts";
import type { LiveTable } from "./live-table.ts";

export class HotContents {
  readonly #table: LiveTable;
  /** A ring: `#count` places from `#oldest` on are taken. */
  readonly #slots: Int32Array;
  readonly #contents: (Uint8Array | undefined)[] = [];
  #oldest = 0;
  #count = 0;
  #bytes = 0;

  /** `countMax` 0 keeps none. */
  constructor(table: LiveTable, countMax: number) {
    this.#table = table;
    this.#slots = new Int32Array(countMax);
  }

  /** The content in `slot` is on disk now. */
  keep(slot: number): void {
    const content = this.#table.content[slot];
    if (content === undefined) return;
    const countMax = this.#slots.length;
    if (countMax === 0) {
      this.#table.content[slot] = undefined;
      return;
    }
    if (this.#count === countMax) this.#evict();
    const place = (this.#oldest + this.#count) % countMax;
    this.#slots[place] = slot;
    this.#contents[place] = content;
    this.#count++;
    this.#bytes += content.length;
    while (this.#bytes > HOT_CONTENT_BYTES_MAX) this.#evict();
  }

  #evict(): void {
    const slot = this.#slots[this.#oldest]!;
    const content = this.#contents[this.#oldest]!;
    this.#contents[this.#oldest] = undefined;
    this.#oldest = (this.#oldest + 1) % this.#slots.length;
    this.#count--;
    this.#bytes -= content.length;
    // The slot may hold another task by now, whose content is not on disk yet.
    if (this.#table.content[slot] === content) this.#table.content[slot] = undefined;
  }
}
