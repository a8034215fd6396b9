/**
 * All groups with live tasks, of all queues, and the column that says which task is in which. A
 * group is forgotten with its last live task; when it comes back it begins one step behind the one
 * that was served last, as if it just had been, so that being forgotten earns nothing.
 */
import { assert } from "./assert.ts";
import { Group } from "./group.ts";
import { GROUPS_MAX } from "./limits.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import type { Queue } from "./queue.ts";
import { stepOf } from "./turn.ts";

export class Groups {
  /** Groups whose record is out of date. */
  readonly dirty = new Set<Group>();
  readonly #table: LiveTable;
  readonly #groups: (Group | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(table: LiveTable) {
    this.#table = table;
  }

  /** How many there are. */
  get count(): number {
    return this.#groups.length - this.#free.length;
  }

  /** False when one more task of this group, behind `more` new groups, would be too much. */
  hasRoomFor(queue: Queue | undefined, name: string, more = 0): boolean {
    if (name === "" || this.count + more < GROUPS_MAX) return true;
    return queue?.groups.has(name) === true;
  }

  /** The task's group; `queue.ungrouped` when it has none. */
  ofSlot(slot: number, queue: Queue): Group {
    const number = this.#table.group[slot]!;
    return number === NONE ? queue.ungrouped : this.#groups[number]!;
  }

  /** Empty = none. */
  nameOf(slot: number): string {
    const number = this.#table.group[slot]!;
    return number === NONE ? "" : this.#groups[number]!.name;
  }

  /** A live task of this group is there now; not to be called for tasks without one. */
  join(slot: number, queue: Queue, name: string): void {
    const known = queue.groups.get(name);
    const group = known ?? this.open(queue, name);
    if (known === undefined) {
      group.turn = queue.groupTurn + stepOf(group.weight);
      this.dirty.add(group);
    }
    this.enter(slot, group);
  }

  enter(slot: number, group: Group): void {
    group.live++;
    this.#table.group[slot] = group.number;
  }

  /** A group as it is in the store, or is about to be. */
  open(queue: Queue, name: string): Group {
    const known = queue.groups.get(name);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#groups.length;
    const group = new Group(queue, name, number);
    this.#groups[number] = group;
    queue.groups.set(name, group);
    return group;
  }

  /** The task is about to leave. Returns its group if that was the last one. */
  leave(slot: number): Group | undefined {
    const number = this.#table.group[slot]!;
    if (number === NONE) return undefined;
    const group = this.#groups[number]!;
    this.#table.group[slot] = NONE;
    if (--group.live > 0) return undefined;
    assert(group.lines.size === 0 && group.running === 0, "a group that goes has tasks in line");
    group.queue.groups.delete(group.name);
    this.#groups[number] = undefined;
    this.#free.push(number);
    this.dirty.delete(group);
    return group;
  }
}
