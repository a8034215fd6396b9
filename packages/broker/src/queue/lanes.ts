/**
 * All queues and lanes, and which of them have something to lease: a queue that is paused or at its
 * limit is not in `ready`, a lane of which the limits of groups let nothing begin is not in its
 * queue's `readyLanes`. So what cannot be granted is not looked at again and again.
 */
import { assert } from "./assert.ts";
import type { Group } from "./group.ts";
import { Groups } from "./groups.ts";
import { Lane, type LaneKind, laneName } from "./lane.ts";
import { LANES_MAX } from "./limits.ts";
import type { Line } from "./line.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import { Queue } from "./queue.ts";

export class Lanes {
  readonly queues = new Map<string, Queue>();
  readonly groups: Groups;
  /** Queues of which something can be leased now, in no particular order. */
  readonly ready: Queue[] = [];
  /** Of a queue that is made now; see `Meta`. */
  freshRevision = 0;
  /** Lanes with live tasks: what LANES_MAX bounds, the same on every replica. */
  liveCount = 0;
  readonly #table: LiveTable;
  readonly #lanes: (Lane | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  constructor(table: LiveTable) {
    this.#table = table;
    this.groups = new Groups(table);
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
    queue.revision = this.freshRevision;
    this.queues.set(name, queue);
    return queue;
  }

  /** False when one more task of this kind, behind `more` new lanes, would be too much. */
  hasRoomFor(queue: Queue | undefined, kind: LaneKind, more = 0): boolean {
    if (this.liveCount + more < LANES_MAX) return true;
    const lane = queue?.lanes.get(laneName(kind));
    return lane !== undefined && lane.live > 0;
  }

  /** The lane for a task about to be added. */
  open(queue: Queue, kind: LaneKind): Lane {
    const name = laneName(kind);
    const known = queue.lanes.get(name);
    if (known !== undefined) return known;
    if (this.#count >= LANES_MAX * 2) this.#dropEmpty();
    const number = this.#free.pop() ?? this.#lanes.length;
    const lane = new Lane(number, queue, kind, this.#table);
    this.#lanes[number] = lane;
    this.#count++;
    queue.lanes.set(name, lane);
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
    if (this.#table.group[slot] === NONE) {
      lane.plain.push(slot);
      if (lane.plain.count === 1) lane.queue.ungrouped.openLines++;
      this.#ready(lane, 1);
    } else {
      const group = this.groups.ofSlot(slot, lane.queue);
      this.#recount(lane.grouped.push(group, slot));
    }
    return lane;
  }

  removeReady(slot: number): void {
    const lane = this.laneOf(slot);
    if (this.#table.group[slot] === NONE) {
      lane.plain.remove(slot);
      if (lane.plain.count === 0) this.#close(lane.queue.ungrouped);
      this.#ready(lane, -1);
    } else {
      const group = this.groups.ofSlot(slot, lane.queue);
      this.#recount(lane.grouped.remove(group, slot));
    }
  }

  /** A running task more (1) or less (-1): what its limits let begin has changed. */
  countRun(slot: number, change: 1 | -1): void {
    const { queue } = this.laneOf(slot);
    queue.running += change;
    if (queue.settings.concurrency > 0) this.relist(queue);
    if (this.#table.group[slot] === NONE) return;
    const group = this.groups.ofSlot(slot, queue);
    group.running += change;
    if (queue.settings.groupConcurrency > 0) this.recountGroup(group.lines.values());
  }

  /** The limit of their group, or what runs of it, has changed. */
  recountGroup(lines: Iterable<Line>): void {
    for (const line of lines) this.#recount(line);
  }

  /** Takes the queue in among the ready ones, or out of them, as its state says. */
  relist(queue: Queue): void {
    const isReady = queue.readyLanes.length > 0 && queue.room > 0;
    if (isReady === (queue.readyAt !== NONE)) return;
    if (isReady) enlist(this.ready, queue);
    else delist(this.ready, queue);
    if (!isReady) queue.newcomer = true;
  }

  /** The queue, which has no live tasks, goes with all its lanes. */
  drop(queue: Queue): void {
    assert(queue.groups.size === 0 && queue.readyAt === NONE, "a queue that goes has tasks");
    for (const lane of queue.lanes.values()) this.#forget(lane);
    queue.lanes.clear();
    this.queues.delete(queue.name);
  }

  #recount(line: Line): void {
    const open = Math.min(line.count, line.group.room);
    const change = open - line.open;
    if (change === 0) return;
    // Between none and some the line itself comes and goes.
    if (line.count > 0 && (open === 0 || line.open === 0)) line.lane.grouped.changed(line);
    if (line.open === 0) line.group.openLines++;
    line.open = open;
    if (open === 0) this.#close(line.group);
    this.#ready(line.lane, change);
  }

  /** One line less of which something may begin. */
  #close(group: Group): void {
    if (--group.openLines > 0 || group.newcomer) return;
    group.newcomer = true;
    this.groups.dirty.add(group);
  }

  #ready(lane: Lane, change: number): void {
    const { queue } = lane;
    lane.readyCount += change;
    if (lane.readyCount > 0 === (lane.readyAt !== NONE)) return;
    if (lane.readyCount > 0) enlist(queue.readyLanes, lane);
    else delist(queue.readyLanes, lane);
    this.relist(queue);
  }

  #forget(lane: Lane): void {
    assert(lane.live === 0, "a lane that goes has tasks");
    this.#lanes[lane.number] = undefined;
    this.#free.push(lane.number);
    this.#count--;
  }

  /** Types come and go; a lane without tasks is only a cache of names. */
  #dropEmpty(): void {
    for (const lane of this.#lanes) {
      if (lane === undefined || lane.live > 0) continue;
      this.#forget(lane);
      lane.queue.lanes.delete(laneName(lane));
    }
  }
}

interface Listed {
  readyAt: number;
}

function enlist<T extends Listed>(list: T[], member: T): void {
  member.readyAt = list.length;
  list.push(member);
}

function delist<T extends Listed>(list: T[], member: T): void {
  const last = list.pop()!;
  if (last !== member) {
    list[member.readyAt] = last;
    last.readyAt = member.readyAt;
  }
  member.readyAt = NONE;
}
