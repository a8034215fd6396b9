/**
 * The live tasks (scheduled, pending, running, retrying) as slots of typed arrays, found by id
 * through an open-addressed table: a million tasks are a few dozen arrays and no objects, so the
 * garbage collector has nothing to walk.
 *
 * The only module that knows the layout. The arrays are replaced as the table grows: read them
 * through the table each time, never keep one across `add`.
 */
import { assert } from "./assert.ts";
import { Policies } from "./policies.ts";
import type { RetryPolicy, TaskId } from "./task.ts";

/** "No slot", "no session", "in no heap". */
export const NONE = -1;
/** Value of `state` for a slot below `used` that holds no task. */
export const FREE = 0xff;

/** Bits of `flags`. `LISTED` belongs to the slot, the others to the task in it. */
export const LISTED = 1;
/** The store may hold a live record of this task, to be deleted when it finishes. */
export const STORED = 2;
/** The content is under its own key, written or in the flush under way. */
export const CONTENT_STORED = 4;
/** There is a record of its progress. */
export const HAS_PROGRESS = 8;
/** It has left the queue that it was submitted to; see `dead-letters.ts`. */
export const DEAD_LETTER = 16;

const CAPACITY_MIN = 1024;
/** The last part of the capacity: while it is used up the next one is made ready. */
const PREPARE_SHARE = 1 / 4;
const NO_BUCKETS = new Int32Array(0);

export class LiveTable {
  size = 0;
  capacity = CAPACITY_MIN;
  state = new Uint8Array(CAPACITY_MIN);
  flags = new Uint8Array(CAPACITY_MIN);
  priority = new Uint8Array(CAPACITY_MIN);
  /** How the run with `endedToken` ended: position in ATTEMPT_OUTCOMES. */
  endedOutcome = new Uint8Array(CAPACITY_MIN);
  lane = new Int32Array(CAPACITY_MIN);
  session = new Int32Array(CAPACITY_MIN);
  sessionNext = new Int32Array(CAPACITY_MIN);
  sessionBefore = new Int32Array(CAPACITY_MIN);
  /** Position in the one heap that the task's state puts it in, or NONE. */
  heapAt = new Int32Array(CAPACITY_MIN);
  attempt = new Uint32Array(CAPACITY_MIN);
  deliveries = new Uint32Array(CAPACITY_MIN);
  failures = new Uint32Array(CAPACITY_MIN);
  /** Number in `policies`. */
  policyNumber = new Int32Array(CAPACITY_MIN);
  /** Number of the group in its queue, or NONE. */
  group = new Int32Array(CAPACITY_MIN);
  /** Parents that a blocked task still waits for. */
  waitsFor = new Uint32Array(CAPACITY_MIN);
  /** What a blocked task is to become as soon as time allows: position in FATES. */
  fate = new Uint8Array(CAPACITY_MIN);
  /** First link to a child and to a parent, in `links`, or NONE. */
  firstChild = new Int32Array(CAPACITY_MIN);
  firstParent = new Int32Array(CAPACITY_MIN);
  /** Blocked tasks that wait for this one. */
  childCount = new Uint32Array(CAPACITY_MIN);
  /** Bytes of the content. */
  contentBytes = new Uint32Array(CAPACITY_MIN);
  /** Lines that its handlers have logged. */
  logLines = new Uint32Array(CAPACITY_MIN);
  /** Position in the heap of those that can expire, or NONE. */
  expiryAt = new Int32Array(CAPACITY_MIN);
  /** Fingerprint of the request that restarted the task; 0, 0 = none did. */
  requestHigh = new Uint32Array(CAPACITY_MIN);
  requestLow = new Uint32Array(CAPACITY_MIN);
  /** Place in line: the submit counter. Kept for life, so a returned task takes its old place. */
  order = new Float64Array(CAPACITY_MIN);
  dueAt = new Float64Array(CAPACITY_MIN);
  /** What the timer heap sorts by; meaningful only while the slot is in it. */
  timerAt = new Float64Array(CAPACITY_MIN);
  createdAt = new Float64Array(CAPACITY_MIN);
  updatedAt = new Float64Array(CAPACITY_MIN);
  startedAt = new Float64Array(CAPACITY_MIN);
  timeoutMs = new Float64Array(CAPACITY_MIN);
  /** Not begun by then it expires; 0 = never. */
  expiresAt = new Float64Array(CAPACITY_MIN);
  /** The lease holds until here at least, whatever becomes of the session; 0 = never extended. */
  extendedTo = new Float64Array(CAPACITY_MIN);
  /** Of the run under way; 0 = none. */
  token = new Float64Array(CAPACITY_MIN);
  /** Of the newest run that ended; 0 = none did. */
  endedToken = new Float64Array(CAPACITY_MIN);
  /** Four words of each; see `idWord`. */
  ids = new Uint32Array(CAPACITY_MIN * 4);
  /** Canonical content bytes until they are flushed, and for a while after. */
  readonly content: (Uint8Array | undefined)[] = [];

  readonly #policies = new Policies();
  /** By hash of the id: a slot + 1, or 0. */
  #buckets = new Int32Array(CAPACITY_MIN * 2);
  #mask = CAPACITY_MIN * 2 - 1;
  #free = NONE;
  #used = 0;

  // What of the next capacity is ready; see `#prepare`.
  #columnsReady = 0;
  #nextBuckets = NO_BUCKETS;
  /** Tasks below this slot are in `#nextBuckets`, too. */
  #boundBelow = 0;

  /** Slots at or beyond this one were never used. */
  get used(): number {
    return this.#used;
  }

  /** The task's slot, or NONE. */
  find(id: TaskId): number {
    const a = wordAt(id, 0);
    const b = wordAt(id, 4);
    const c = wordAt(id, 8);
    const d = wordAt(id, 12);
    const ids = this.ids;
    for (let at = hashWords(a, b, c, d) & this.#mask; ; at = (at + 1) & this.#mask) {
      const slot = this.#buckets[at]! - 1;
      if (slot === NONE) return NONE;
      const i = slot * 4;
      if (ids[i + 3] === d && ids[i + 2] === c && ids[i + 1] === b && ids[i] === a) return slot;
    }
  }

  /** Room for this many tasks without growing on the way. Before the first of them. */
  reserve(tasks: number): void {
    if (tasks <= this.capacity) return;
    assert(this.#used === 0, "room is reserved in a table with tasks");
    let capacity = this.capacity;
    while (capacity < tasks) capacity *= 2;
    for (const name of COLUMNS) this.#enlarge(name, capacity / this.capacity);
    this.#grown(capacity, new Int32Array(capacity * 2));
  }

  /** A slot for a new task, all columns empty. The caller gives it a state before the next one. */
  add(id: TaskId): number {
    if (this.#free === NONE) this.#prepare();
    const slot = this.#takeSlot();
    const i = slot * 4;
    for (let word = 0; word < 4; word++) this.ids[i + word] = wordAt(id, word * 4);
    this.#bind(this.#buckets, slot);
    if (slot < this.#boundBelow) this.#bind(this.#nextBuckets, slot);
    this.size++;
    this.#clear(slot);
    return slot;
  }

  remove(slot: number): void {
    assert(this.state[slot] !== FREE, "slot removed twice");
    assert(this.heapAt[slot] === NONE, "a removed task is still in a heap");
    assert(this.expiryAt[slot] === NONE, "a removed task could still expire");
    this.#unbind(this.#buckets, slot);
    if (slot < this.#boundBelow) this.#unbind(this.#nextBuckets, slot);
    if (this.policyNumber[slot] !== NONE) this.#policies.drop(this.policyNumber[slot]!);
    this.state[slot] = FREE;
    this.content[slot] = undefined;
    this.flags[slot]! &= LISTED;
    this.sessionNext[slot] = this.#free;
    this.#free = slot;
    this.size--;
  }

  /** One of the four words of the id. */
  idWord(slot: number, word: number): number {
    return this.ids[slot * 4 + word]!;
  }

  /** A fresh copy of the id. */
  id(slot: number): TaskId {
    const id = new Uint8Array(16);
    for (let word = 0; word < 4; word++) {
      const value = this.ids[slot * 4 + word]!;
      const at = word * 4;
      id[at] = value >>> 24;
      id[at + 1] = value >>> 16;
      id[at + 2] = value >>> 8;
      id[at + 3] = value;
    }
    return id;
  }

  /** Negative, 0 or positive as the slot's id is before, equal to or after these four words. */
  compareId(slot: number, words: ArrayLike<number>, from: number): number {
    const at = slot * 4;
    for (let word = 0; word < 4; word++) {
      const difference = this.ids[at + word]! - words[from + word]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }

  compareSlots(slot: number, other: number): number {
    return this.compareId(slot, this.ids, other * 4);
  }

  /** To be called once for each task. */
  setPolicy(slot: number, policy: RetryPolicy): void {
    this.policyNumber[slot] = this.#policies.take(policy);
  }

  policy(slot: number): RetryPolicy {
    return this.#policies.get(this.policyNumber[slot]!);
  }

  #takeSlot(): number {
    if (this.#free === NONE) {
      this.state[this.#used] = FREE;
      return this.#used++;
    }
    const slot = this.#free;
    this.#free = this.sessionNext[slot]!;
    return slot;
  }

  /** The rest is written by whoever adds a task; these are the ones that few tasks need. */
  #clear(slot: number): void {
    this.session[slot] = NONE;
    this.sessionNext[slot] = NONE;
    this.sessionBefore[slot] = NONE;
    this.heapAt[slot] = NONE;
    this.attempt[slot] = 0;
    this.deliveries[slot] = 0;
    this.failures[slot] = 0;
    this.policyNumber[slot] = NONE;
    this.group[slot] = NONE;
    this.waitsFor[slot] = 0;
    this.fate[slot] = 0;
    this.firstChild[slot] = NONE;
    this.firstParent[slot] = NONE;
    this.childCount[slot] = 0;
    this.logLines[slot] = 0;
    this.expiryAt[slot] = NONE;
    this.expiresAt[slot] = 0;
    this.requestHigh[slot] = 0;
    this.requestLow[slot] = 0;
    this.dueAt[slot] = 0;
    this.timerAt[slot] = 0;
    this.startedAt[slot] = 0;
    this.extendedTo[slot] = 0;
    this.token[slot] = 0;
    this.endedToken[slot] = 0;
    this.endedOutcome[slot] = 0;
  }

  #hashOf(slot: number): number {
    const ids = this.ids;
    const i = slot * 4;
    return hashWords(ids[i]!, ids[i + 1]!, ids[i + 2]!, ids[i + 3]!);
  }

  #bind(buckets: Int32Array, slot: number): void {
    const mask = buckets.length - 1;
    let at = this.#hashOf(slot) & mask;
    while (buckets[at] !== 0) at = (at + 1) & mask;
    buckets[at] = slot + 1;
  }

  /** Linear probing without grave markers: later members of the run move up into the gap. */
  #unbind(buckets: Int32Array, slot: number): void {
    const mask = buckets.length - 1;
    let gap = this.#hashOf(slot) & mask;
    while (buckets[gap] !== slot + 1) {
      assert(buckets[gap] !== 0, "a task cannot be found by its id");
      gap = (gap + 1) & mask;
    }
    for (let at = (gap + 1) & mask; ; at = (at + 1) & mask) {
      const other = buckets[at]!;
      if (other === 0) break;
      // It may move only if its home is not between the gap and where it stands.
      const home = this.#hashOf(other - 1) & mask;
      if (((at - home) & mask) >= ((at - gap) & mask)) {
        buckets[gap] = other;
        gap = at;
      }
    }
    buckets[gap] = 0;
  }

  /**
   * Twice the capacity is made ready while the last part of this one is used up, a column or a few
   * places at a time: done at once it would hold up the caller for 150 ms at half a million tasks.
   */
  #prepare(): void {
    const part = this.capacity * PREPARE_SHARE;
    const share = (this.#used - this.capacity + part) / part;
    if (share <= 0) return;
    if (this.#columnsReady === 0) this.#nextBuckets = new Int32Array(this.capacity * 4);
    const columns = Math.ceil(share * COLUMNS.length);
    while (this.#columnsReady < columns) this.#enlarge(COLUMNS[this.#columnsReady++]!, 2);
    const boundBelow = Math.ceil(share * this.#used);
    for (; this.#boundBelow < boundBelow; this.#boundBelow++) {
      if (this.state[this.#boundBelow] !== FREE) this.#bind(this.#nextBuckets, this.#boundBelow);
    }
    if (share === 1) this.#grown(this.capacity * 2, this.#nextBuckets);
  }

  #enlarge(name: ColumnName, times: number): void {
    const column: Column = this[name];
    const next = new (column.constructor as ColumnType)(column.length * times);
    next.set(column);
    (this as Record<ColumnName, Column>)[name] = next;
  }

  #grown(capacity: number, buckets: Int32Array<ArrayBuffer>): void {
    this.capacity = capacity;
    this.#buckets = buckets;
    this.#mask = buckets.length - 1;
    this.#columnsReady = 0;
    this.#nextBuckets = NO_BUCKETS;
    this.#boundBelow = 0;
  }
}

type Column = Uint8Array | Int32Array | Uint32Array | Float64Array;
type ColumnType = new (length: number) => Column;
type ColumnName = {
  [Name in keyof LiveTable]: LiveTable[Name] extends Column ? Name : never;
}[keyof LiveTable];

/** The public typed arrays. */
const COLUMNS = Object.entries(new LiveTable())
  .filter(([, value]) => ArrayBuffer.isView(value))
  .map(([name]) => name as ColumnName);

/** Four bytes of an id as a number, the first byte highest, so that numbers sort as ids do. */
export function wordAt(id: TaskId, at: number): number {
  return ((id[at]! << 24) | (id[at + 1]! << 16) | (id[at + 2]! << 8) | id[at + 3]!) >>> 0;
}

function hashWords(a: number, b: number, c: number, d: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0x9e3779b1) ^ c;
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ d;
  hash = Math.imul(hash ^ (hash >>> 13), 0x27d4eb2f);
  return (hash ^ (hash >>> 16)) >>> 0;
}
