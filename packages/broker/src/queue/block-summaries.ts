/**
 * The history in blocks of 1,000 places in line: what the finished tasks of each have in common, so
 * that a reader of the history can pass over the blocks in which nothing can match. A block is a
 * row of typed arrays, some 130 bytes, and a record; blocks without tasks have neither.
 *
 * Counts are exact. Lanes and bounds only ever grow, until the block is empty: what left a block
 * may still be inside them.
 */
import { assert } from "./assert.ts";
import type { BlockRecord, HistoryLane } from "./codec/history-records.ts";
import { HistoryLanes } from "./history-lanes.ts";
import { LANES_PER_BLOCK_MAX } from "./limits.ts";
import { type LiveTable, NONE, wordAt } from "./live-table.ts";
import { COMPLETED, EXPIRED } from "./state-number.ts";
import type { ClusterTime, TaskId } from "./task.ts";
import { TASK_STATES } from "./task.ts";
import type { HistoryFilter } from "./view.ts";

/** Places in line that one block covers. */
const BLOCK_ORDERS = 1_000;
/** Final states have numbers in a row, from this one on. */
const FIRST_STATE = COMPLETED;
const STATES = EXPIRED - COMPLETED + 1;
const ID_WORDS = 4;
/** Instead of a number of lanes: more than are told apart. */
const MANY = 0xff;
const CAPACITY_MIN = 64;

export function blockOf(order: number): number {
  return Math.floor(order / BLOCK_ORDERS);
}

export class BlockSummaries {
  /** Tasks in all blocks. */
  total = 0;
  /** Blocks whose record is out of date; gone ones may be among them. */
  dirty: number[] = [];
  readonly #rows = new Map<number, number>();
  readonly #names = new HistoryLanes();
  readonly #free: number[] = [];
  #used = 0;
  #capacity = CAPACITY_MIN;
  #lastBlock = NONE;
  #lastRow = NONE;
  #listed = new Uint8Array(CAPACITY_MIN);
  #counts = new Uint16Array(CAPACITY_MIN * STATES);
  #smallest = new Uint32Array(CAPACITY_MIN * ID_WORDS);
  #largest = new Uint32Array(CAPACITY_MIN * ID_WORDS);
  #firstAt = new Float64Array(CAPACITY_MIN);
  #lastAt = new Float64Array(CAPACITY_MIN);
  #laneCount = new Uint8Array(CAPACITY_MIN);
  #lanes = new Uint16Array(CAPACITY_MIN * LANES_PER_BLOCK_MAX);

  get size(): number {
    return this.#rows.size;
  }

  /** The task in this slot ends. */
  enter(
    table: LiveTable,
    slot: number,
    queue: string,
    type: string,
    { state, at }: { readonly state: number; readonly at: ClusterTime },
  ): void {
    const number = blockOf(table.order[slot]!);
    let row = this.#row(number);
    const isNew = row === NONE;
    if (isNew) row = this.#add(number);
    this.#counts[row * STATES + state - FIRST_STATE]!++;
    this.total++;
    this.#list(number, row);
    for (let word = 0; isNew && word < ID_WORDS; word++) {
      this.#smallest[row * ID_WORDS + word] = table.idWord(slot, word);
      this.#largest[row * ID_WORDS + word] = table.idWord(slot, word);
    }
    const from = row * ID_WORDS;
    if (table.compareId(slot, this.#smallest, from) < 0) copyId(this.#smallest, from, table, slot);
    if (table.compareId(slot, this.#largest, from) > 0) copyId(this.#largest, from, table, slot);
    if (isNew || at < this.#firstAt[row]!) this.#firstAt[row] = at;
    if (isNew || at > this.#lastAt[row]!) this.#lastAt[row] = at;
    this.#addLane(row, queue, type);
  }

  /** A task with this place in line, which had ended in `state`, is not finished any more. */
  leave(order: number, state: number): void {
    const number = blockOf(order);
    const row = this.#row(number);
    assert(row !== NONE, "a finished task is in no block");
    const at = row * STATES + state - FIRST_STATE;
    assert(this.#counts[at]! > 0, "a block has lost a task");
    this.#counts[at]!--;
    this.total--;
    this.#list(number, row);
    if (this.#tasksOf(row) === 0) this.#remove(number, row);
  }

  /** From its record, at boot. */
  load(number: number, record: BlockRecord): void {
    assert(this.#row(number) === NONE, "a block is loaded twice");
    const row = this.#add(number);
    for (const [state, count] of record.counts.entries()) {
      this.#counts[row * STATES + state] = count;
      this.total += count;
    }
    for (let word = 0; word < ID_WORDS; word++) {
      this.#smallest[row * ID_WORDS + word] = wordAt(record.smallest, word * 4);
      this.#largest[row * ID_WORDS + word] = wordAt(record.largest, word * 4);
    }
    this.#firstAt[row] = record.firstEndedAt;
    this.#lastAt[row] = record.lastEndedAt;
    if (record.lanes === undefined) this.#laneCount[row] = MANY;
    for (const { queue, type } of record.lanes ?? []) this.#addLane(row, queue, type);
  }

  /** What is to be written of a block; undefined = it is gone. */
  record(number: number): BlockRecord | undefined {
    const row = this.#row(number);
    if (row === NONE) return undefined;
    const count = (state: number) => this.#counts[row * STATES + state]!;
    return {
      counts: [count(0), count(1), count(2), count(3)],
      lanes: this.#laneCount[row] === MANY ? undefined : this.#lanesOf(row),
      smallest: idAt(this.#smallest, row * ID_WORDS),
      largest: idAt(this.#largest, row * ID_WORDS),
      firstEndedAt: this.#firstAt[row]!,
      lastEndedAt: this.#lastAt[row]!,
    };
  }

  /** The blocks whose records are to be written now. */
  takeDirty(): number[] {
    const dirty = this.dirty;
    this.dirty = [];
    for (const number of dirty) {
      const row = this.#row(number);
      if (row !== NONE) this.#listed[row] = 0;
    }
    return dirty;
  }

  /**
   * The smallest id from `after` on that a finished task which passes the filter may have;
   * undefined: none has. Looks at each block once.
   */
  next(after: TaskId, filter: HistoryFilter): TaskId | undefined {
    const wanted = stateSet(filter);
    const { queue, type } = filter;
    const isAny = queue === undefined && type === undefined;
    const lanes = isAny ? undefined : this.#names.matching(queue, type);
    const from = [0, 4, 8, 12].map((at) => wordAt(after, at));
    let best = NONE;
    for (let row = 0; row < this.#used; row++) {
      if (!this.#hasState(row, wanted) || !this.#overlaps(row, filter)) continue;
      if (compare(this.#largest, row * ID_WORDS, from, 0) < 0) continue;
      if (best !== NONE && this.#compareSmallest(row, best) >= 0) continue;
      if (lanes !== undefined && !this.#hasLane(row, lanes)) continue;
      if (compare(this.#smallest, row * ID_WORDS, from, 0) <= 0) return after;
      best = row;
    }
    return best === NONE ? undefined : idAt(this.#smallest, best * ID_WORDS);
  }

  /**
   * The largest id below `before` (undefined: of all) that a finished task which passes the filter
   * may have, or `before` itself when one may have the id right below it; undefined: none has.
   */
  last(before: TaskId | undefined, filter: HistoryFilter): TaskId | undefined {
    const wanted = stateSet(filter);
    const { queue, type } = filter;
    const isAny = queue === undefined && type === undefined;
    const lanes = isAny ? undefined : this.#names.matching(queue, type);
    const end = [0, 4, 8, 12].map((at) => (before === undefined ? 2 ** 32 : wordAt(before, at)));
    let best = NONE;
    for (let row = 0; row < this.#used; row++) {
      if (!this.#hasState(row, wanted) || !this.#overlaps(row, filter)) continue;
      if (compare(this.#smallest, row * ID_WORDS, end, 0) >= 0) continue;
      const largest = row * ID_WORDS;
      if (best !== NONE && compare(this.#largest, largest, this.#largest, best * ID_WORDS) <= 0) {
        continue;
      }
      if (lanes !== undefined && !this.#hasLane(row, lanes)) continue;
      if (compare(this.#largest, largest, end, 0) >= 0) return before;
      best = row;
    }
    return best === NONE ? undefined : idAt(this.#largest, best * ID_WORDS);
  }

  /** For the invariants: throws when the rows and the totals disagree. */
  check(): void {
    let total = 0;
    for (const [number, row] of this.#rows) {
      const tasks = this.#tasksOf(row);
      assert(tasks > 0 && tasks <= BLOCK_ORDERS, "a block has no tasks, or too many");
      assert(compare(this.#smallest, row * ID_WORDS, this.#largest, row * ID_WORDS) <= 0, "ids");
      assert(this.#firstAt[row]! <= this.#lastAt[row]!, "a block ends before it begins");
      assert((this.#listed[row] === 1) === this.dirty.includes(number), "a block's mark is wrong");
      total += tasks;
    }
    assert(total === this.total, "the number of tasks in all blocks is wrong");
  }

  #row(number: number): number {
    if (number === this.#lastBlock) return this.#lastRow;
    const row = this.#rows.get(number) ?? NONE;
    if (row !== NONE) this.#remember(number, row);
    return row;
  }

  #remember(number: number, row: number): void {
    this.#lastBlock = number;
    this.#lastRow = row;
  }

  #add(number: number): number {
    if (this.#free.length === 0 && this.#used === this.#capacity) this.#grow();
    const row = this.#free.pop() ?? this.#used++;
    this.#rows.set(number, row);
    this.#remember(number, row);
    this.#laneCount[row] = 0;
    this.#listed[row] = 0;
    return row;
  }

  #remove(number: number, row: number): void {
    if (this.#laneCount[row] !== MANY) this.#dropLanes(row);
    this.#rows.delete(number);
    this.#free.push(row);
    this.#lastBlock = NONE;
  }

  #list(number: number, row: number): void {
    if (this.#listed[row] === 1) return;
    this.#listed[row] = 1;
    this.dirty.push(number);
  }

  #tasksOf(row: number): number {
    let tasks = 0;
    for (let state = 0; state < STATES; state++) tasks += this.#counts[row * STATES + state]!;
    return tasks;
  }

  #lanesOf(row: number): HistoryLane[] {
    const lanes: HistoryLane[] = [];
    for (let at = 0; at < this.#laneCount[row]!; at++) {
      const { queue, type } = this.#names.at(this.#lanes[row * LANES_PER_BLOCK_MAX + at]!);
      lanes.push({ queue, type });
    }
    return lanes;
  }

  #addLane(row: number, queue: string, type: string): void {
    const count = this.#laneCount[row]!;
    if (count === MANY) return;
    const from = row * LANES_PER_BLOCK_MAX;
    const known = this.#names.find(queue, type);
    for (let at = 0; known !== NONE && at < count; at++) {
      if (this.#lanes[from + at] === known) return;
    }
    const number = count === LANES_PER_BLOCK_MAX ? NONE : this.#names.take(queue, type);
    if (number === NONE) {
      this.#dropLanes(row);
      this.#laneCount[row] = MANY;
      return;
    }
    this.#lanes[from + count] = number;
    this.#laneCount[row] = count + 1;
  }

  #dropLanes(row: number): void {
    for (let at = 0; at < this.#laneCount[row]!; at++) {
      this.#names.drop(this.#lanes[row * LANES_PER_BLOCK_MAX + at]!);
    }
    this.#laneCount[row] = 0;
  }

  #hasState(row: number, wanted: readonly number[]): boolean {
    for (const state of wanted) {
      if (this.#counts[row * STATES + state]! > 0) return true;
    }
    return false;
  }

  #overlaps(row: number, { finishedFrom = 0, finishedTo = 0 }: HistoryFilter): boolean {
    if (finishedFrom > 0 && this.#lastAt[row]! < finishedFrom) return false;
    return finishedTo === 0 || this.#firstAt[row]! < finishedTo;
  }

  #hasLane(row: number, wanted: ReadonlySet<number>): boolean {
    const count = this.#laneCount[row]!;
    if (count === MANY) return true;
    for (let at = 0; at < count; at++) {
      if (wanted.has(this.#lanes[row * LANES_PER_BLOCK_MAX + at]!)) return true;
    }
    return false;
  }

  #compareSmallest(row: number, other: number): number {
    return compare(this.#smallest, row * ID_WORDS, this.#smallest, other * ID_WORDS);
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    this.#listed = enlarge(this.#listed, new Uint8Array(capacity));
    this.#counts = enlarge(this.#counts, new Uint16Array(capacity * STATES));
    this.#smallest = enlarge(this.#smallest, new Uint32Array(capacity * ID_WORDS));
    this.#largest = enlarge(this.#largest, new Uint32Array(capacity * ID_WORDS));
    this.#firstAt = enlarge(this.#firstAt, new Float64Array(capacity));
    this.#lastAt = enlarge(this.#lastAt, new Float64Array(capacity));
    this.#laneCount = enlarge(this.#laneCount, new Uint8Array(capacity));
    this.#lanes = enlarge(this.#lanes, new Uint16Array(capacity * LANES_PER_BLOCK_MAX));
    this.#capacity = capacity;
  }
}

/** Positions of the wanted states in a row's counts. */
function stateSet({ states = [] }: HistoryFilter): number[] {
  const wanted = states.length === 0 ? TASK_STATES.slice(FIRST_STATE) : states;
  const positions = wanted.map((state) => TASK_STATES.indexOf(state) - FIRST_STATE);
  return positions.filter((position) => position >= 0);
}

function enlarge<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(
  column: T,
  next: T,
): T {
  next.set(column);
  return next;
}

function copyId(words: Uint32Array, from: number, table: LiveTable, slot: number): void {
  for (let word = 0; word < ID_WORDS; word++) words[from + word] = table.idWord(slot, word);
}

function compare(a: ArrayLike<number>, at: number, b: ArrayLike<number>, from: number): number {
  for (let word = 0; word < ID_WORDS; word++) {
    const difference = a[at + word]! - b[from + word]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function idAt(words: Uint32Array, from: number): TaskId {
  const id = new Uint8Array(ID_WORDS * 4);
  for (let at = 0; at < id.length; at++) id[at] = words[from + (at >> 2)]! >>> (24 - (at & 3) * 8);
  return id;
}
