/** Part of `invariants.ts`: lanes, lines, groups, and what may be leased of them now. */
import { assert } from "./assert.ts";
import type { Group } from "./group.ts";
import type { Lane } from "./lane.ts";
import type { Line } from "./line.ts";
import { FREE, NONE } from "./live-table.ts";
import type { Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { PENDING, RUNNING } from "./state-number.ts";
import { PRIORITIES } from "./task.ts";

export function checkLanes(s: QueueState): void {
  let withTasks = 0;
  let groups = 0;
  for (const queue of s.lanes.queues.values()) {
    for (const lane of queue.lanes.values()) {
      assert(s.lanes.lane(lane.number) === lane, "a lane number is wrong");
      if (lane.live > 0) withTasks++;
      checkLane(s, lane);
    }
    for (const group of queue.groups.values()) checkGroup(queue, group);
    groups += queue.groups.size;
    checkListed(s.lanes.ready, queue, queue.readyLanes.length > 0 && queue.room > 0);
    assert(queue.newcomer || queue.readyAt !== NONE, "a queue with nothing to lease has a place");
    checkStanding(queue.ungrouped);
    const { readyLanes } = queue;
    assert(readyLanes.length <= queue.lanes.size, "a queue lists lanes that are not its own");
  }
  assert(withTasks === s.lanes.liveCount, "the number of lanes with tasks is wrong");
  assert(groups === s.lanes.groups.count, "the number of groups is wrong");
  checkMembers(s);
}

/** The line that a pending task must stand in. */
export function checkInLine(s: QueueState, slot: number): void {
  const lane = s.lanes.laneOf(slot);
  const group = s.lanes.groups.ofSlot(slot, lane.queue);
  const line = group.number === NONE ? lane.plain : group.lines.get(lane.number);
  const heap = line?.heap(s.table.priority[slot]!);
  const at = s.table.heapAt[slot]!;
  assert(heap !== undefined && at < heap.size, "a pending task is not in line");
  assert(heap.at(at) === slot, "a pending task's place is wrong");
}

function checkLane(s: QueueState, lane: Lane): void {
  let ready = checkLine(s, lane.plain);
  for (const group of lane.queue.groups.values()) {
    const line = group.lines.get(lane.number);
    if (line === undefined) continue;
    assert(line.lane === lane && line.group === group, "a line belongs to another");
    assert(line.count > 0, "an empty line is kept");
    const open = Math.min(checkLine(s, line), group.room);
    assert(line.open === open, "a line says wrongly how many of it may begin");
    ready += open;
  }
  assert(ready === lane.readyCount, "a lane's count of pending tasks is wrong");
  checkListed(lane.queue.readyLanes, lane, ready > 0);
}

/** Returns how many tasks are in it. */
function checkLine(s: QueueState, line: Line): number {
  const { state, lane, priority: priorities, group, heapAt } = s.table;
  let count = 0;
  for (let priority = 0; priority < PRIORITIES.length; priority++) {
    const heap = line.heap(priority);
    if (heap === undefined) continue;
    count += heap.size;
    for (let at = 0; at < heap.size; at++) {
      const slot = heap.at(at);
      const isHere = lane[slot] === line.lane.number && group[slot] === line.group.number;
      assert(isHere && priorities[slot] === priority, "a task is in the wrong line");
      assert(state[slot] === PENDING && heapAt[slot] === at, "a place in a line is wrong");
      const above = heap.at((at - 1) >> 1);
      assert(at === 0 || !heap.isBefore(slot, above), "a line is out of order");
    }
  }
  assert(count === line.count, "a line's length is wrong");
  return count;
}

function checkGroup(queue: Queue, group: Group): void {
  assert(group.queue === queue && group.name !== "", "a group is in the wrong queue");
  assert(group.live > 0 && group.running <= group.live, "a group without tasks is still here");
  checkStanding(group);
}

/** The lines of those without a group are the plain ones of the lanes. */
function checkStanding(group: Group): void {
  const { number, queue, lines } = group;
  const open =
    number === NONE
      ? [...queue.lanes.values()].filter(({ plain }) => plain.count > 0).length
      : [...lines.values()].filter((line) => line.open > 0).length;
  assert(group.openLines === open, "a group miscounts its lines");
  assert(group.newcomer || open > 0, "a group with nothing to begin has a place");
  assert(Number.isSafeInteger(group.turn) && group.turn >= 0, "a turn is not a number");
}

/** Running and live tasks of queues and groups, counted anew. */
function checkMembers(s: QueueState): void {
  const { table, lanes } = s;
  const live = new Map<Group, number>();
  const running = new Map<Group | Queue, number>();
  const add = <T>(counts: Map<T, number>, key: T) => counts.set(key, (counts.get(key) ?? 0) + 1);
  for (let slot = 0; slot < table.used; slot++) {
    if (table.state[slot] === FREE) continue;
    const { queue } = lanes.laneOf(slot);
    const group = lanes.groups.ofSlot(slot, queue);
    assert(group.queue === queue, "a task's group is that of another queue");
    add(live, group);
    if (table.state[slot] !== RUNNING) continue;
    add(running, group);
    add(running, queue);
  }
  for (const queue of lanes.queues.values()) {
    assert(queue.running === (running.get(queue) ?? 0), "a queue miscounts what runs");
    assert(queue.running === queue.counts[RUNNING], "a queue's counter of what runs is wrong");
    for (const group of queue.groups.values()) {
      assert(group.live === live.get(group), "a group miscounts its tasks");
      assert(group.running === (running.get(group) ?? 0), "a group miscounts what runs");
    }
  }
}

function checkListed<T extends { readonly readyAt: number }>(
  list: readonly T[],
  member: T,
  isReady: boolean,
): void {
  assert(isReady === (member.readyAt !== NONE), "what is ready is not listed, or the reverse");
  if (isReady) assert(list[member.readyAt] === member, "a place in a list is wrong");
}
