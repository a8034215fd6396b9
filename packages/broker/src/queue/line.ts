/**
 * Pending tasks of one lane and one group, or of one lane without a group: in order of their places
 * within each priority. Only the first of each priority can be next, so only those age.
 */
import type { Group } from "./group.ts";
import { SlotHeap } from "./heap.ts";
import type { Lane } from "./lane.ts";
import { AGEING_STEP_MS } from "./limits.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import type { ClusterTime } from "./task.ts";
import { PRIORITIES } from "./task.ts";

const CRITICAL = PRIORITIES.length - 1;

export class Line {
  readonly lane: Lane;
  /** `queue.ungrouped` for the tasks without a group. */
  readonly group: Group;
  /** Pending tasks. */
  count = 0;
  /** How many of them the limit of the group lets begin now. */
  open = 0;

  /** As `look` has found it: the next task, or NONE; how urgent it is by now; its place in line. */
  head = NONE;
  level = 0;
  order = 0;
  /** When `look` would find something else, though nothing has happened; Infinity = never. */
  agesAt: ClusterTime = Number.POSITIVE_INFINITY;
  /** Turn of the group by which a heap has sorted this line; the group may have moved on since. */
  turn = 0;
  /** Positions in heaps of its lane, or NONE; see `GroupLines`. */
  levelAt = NONE;
  agingAt = NONE;

  readonly #table: LiveTable;
  readonly #heaps: (SlotHeap | undefined)[] = [undefined, undefined, undefined, undefined];

  constructor(lane: Lane, group: Group, table: LiveTable) {
    this.lane = lane;
    this.group = group;
    this.#table = table;
  }

  heap(priority: number): SlotHeap | undefined {
    return this.#heaps[priority];
  }

  push(slot: number): void {
    const priority = this.#table.priority[slot]!;
    let heap = this.#heaps[priority];
    if (heap === undefined) {
      heap = new SlotHeap(this.#table, "order");
      this.#heaps[priority] = heap;
    }
    heap.push(slot);
    this.count++;
  }

  remove(slot: number): void {
    this.#heaps[this.#table.priority[slot]!]!.remove(slot);
    this.count--;
  }

  /**
   * Finds the next task: the most urgent first task of a priority, then the earlier one in line.
   * Each AGEING_STEP_MS that it has been pending makes a task more urgent by one priority. `clock`
   * 0 = nothing ages.
   */
  look(clock: ClusterTime): void {
    const { updatedAt, order } = this.#table;
    this.head = NONE;
    this.level = -1;
    this.agesAt = Number.POSITIVE_INFINITY;
    for (let priority = CRITICAL; priority >= 0; priority--) {
      const slot = this.#heaps[priority]?.top ?? NONE;
      if (slot === NONE) continue;
      let level = priority;
      if (clock > 0 && level < CRITICAL) {
        const steps = Math.floor((clock - updatedAt[slot]!) / AGEING_STEP_MS);
        level = Math.min(CRITICAL, priority + steps);
        if (level < CRITICAL) {
          this.agesAt = Math.min(this.agesAt, updatedAt[slot]! + (steps + 1) * AGEING_STEP_MS);
        }
      }
      if (level < this.level || (level === this.level && order[slot]! > this.order)) continue;
      this.head = slot;
      this.level = level;
      this.order = order[slot]!;
    }
  }
}
