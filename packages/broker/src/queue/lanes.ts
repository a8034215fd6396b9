/**
 * Queues and their lanes. A lane is the pair (queue, type): the finest thing a worker can be
 * offered or not, so pending tasks wait in one heap per lane and priority, and a lease looks only
 * at the lanes that have some. Lane numbers are local to a replica and never reach a record or a
 * reply.
 */
import type { ReadyEvent } from "./event.ts";
import { SlotHeap } from "./heap.ts";
import { LANES_MAX } from "./limits.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import { LIVE_STATES } from "./state-number.ts";
import { PRIORITIES, TASK_STATES } from "./task.ts";

/** A queue and its kept counters, one per state; finished tasks count until they are deleted. */
export class Queue {
  readonly name: string;
  readonly counts = new Float64Array(TASK_STATES.length);
  readonly lanes = new Map<string, Lane>();

  constructor(name: string) {
    this.name = name;
  }

  /** Tasks that are not finished. */
  get depth(): number {
    let depth = 0;
    for (const state of LIVE_STATES) depth += this.counts[state]!;
    return depth;
  }
}

export class Lane {
  readonly number: number;
  readonly queue: Queue;
  readonly type: string;
  /** One object for all: a million tasks that become ready make no garbage. */
  readonly readyEvent: ReadyEvent;
  /** Live tasks, whatever their state. */
  live = 0;
  /** Pending tasks. */
  readyCount = 0;
  /** Position among the lanes with pending tasks, or NONE. */
  readyAt = NONE;
  readonly #table: LiveTable;
  readonly #heaps: (SlotHeap | undefined)[] = PRIORITIES.map(() => undefined);

  constructor(number: number, queue: Queue, type: string, table: LiveTable) {
    this.number = number;
    this.queue = queue;
    this.type = type;
    this.readyEvent = { type: "ready", lane: number };
    this.#table = table;
  }

  heap(priority: number): SlotHeap {
    const known = this.#heaps[priority];
    if (known !== undefined) return known;
    const heap = new SlotHeap(this.#table, false);
    this.#heaps[priority] = heap;
    return heap;
  }

  /** The most urgent, then oldest pending task, or NONE. */
  get top(): number {
    for (let priority = PRIORITIES.length - 1; priority >= 0; priority--) {
      const heap = this.#heaps[priority];
      if (heap !== undefined && heap.size > 0) return heap.top;
    }
    return NONE;
  }
}

export class Lanes {
  readonly queues = new Map<string, Queue>();
  /** Lanes with pending tasks, in no particular order. */
  readonly ready: Lane[] = [];
  /** Lanes with live tasks: what LANES_MAX bounds, the same on every replica. */
  liveCount = 0;
  readonly #table: LiveTable;
  readonly #lanes: (Lane | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  constructor(table: LiveTable) {
    this.#table = table;
  }

  lane(number: number): Lane | undefined {
    return this.#lanes[number];
  }

  laneOf(slot: number): Lane {
    return this.#lanes[this.#table.lane[slot]!]!;
  }

  queue(name: string): Queue {
    const known = this.queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name);
    this.queues.set(name, queue);
    return queue;
  }

  /** False when one more task of this type would go beyond LANES_MAX. */
  hasRoomFor(queue: Queue | undefined, type: string): boolean {
    if (this.liveCount < LANES_MAX) return true;
    const lane = queue?.lanes.get(type);
    return lane !== undefined && lane.live > 0;
  }

  /** The lane for a task about to be added. */
  open(queue: Queue, type: string): Lane {
    const known = queue.lanes.get(type);
    if (known !== undefined) return known;
    if (this.#count >= LANES_MAX * 2) this.#dropEmpty();
    const number = this.#free.pop() ?? this.#lanes.length;
    const lane = new Lane(number, queue, type, this.#table);
    this.#lanes[number] = lane;
    this.#count++;
    queue.lanes.set(type, lane);
    return lane;
  }

  enter(lane: Lane): void {
    if (lane.live++ === 0) this.liveCount++;
  }

  leave(lane: Lane): void {
    if (--lane.live === 0) this.liveCount--;
  }

  addReady(slot: number): Lane {
    const lane = this.laneOf(slot);
    lane.heap(this.#table.priority[slot]!).push(slot);
    if (lane.readyCount++ === 0) {
      lane.readyAt = this.ready.length;
      this.ready.push(lane);
    }
    return lane;
  }

  removeReady(slot: number): void {
    const lane = this.laneOf(slot);
    lane.heap(this.#table.priority[slot]!).remove(slot);
    if (--lane.readyCount > 0) return;
    const last = this.ready.pop()!;
    if (last !== lane) {
      this.ready[lane.readyAt] = last;
      last.readyAt = lane.readyAt;
    }
    lane.readyAt = NONE;
  }

  /** True when `slot` goes before `other`: more urgent, or as urgent and earlier in line. */
  isBefore(slot: number, other: number): boolean {
    const table = this.#table;
    const urgency = table.priority[slot]! - table.priority[other]!;
    return urgency !== 0 ? urgency > 0 : table.order[slot]! < table.order[other]!;
  }

  /** Types come and go; a lane without tasks is only a cache of names. */
  #dropEmpty(): void {
    for (const lane of this.#lanes) {
      if (lane === undefined || lane.live > 0) continue;
      this.#lanes[lane.number] = undefined;
      this.#free.push(lane.number);
      this.#count--;
      lane.queue.lanes.delete(lane.type);
    }
  }
}
