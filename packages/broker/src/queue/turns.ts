/**
 * Whose turn it is: queues share their workers, and groups share their queue, in proportion to
 * their weights; limits of running tasks hold some of them back.
 *
 * Among tasks of equal urgency the queue with the smallest turn goes first, within it the group
 * with the smallest turn, within that the task with the earliest place in line. Who is served goes
 * on by one step; where those begin of which there was nothing to lease, see `newcomers.ts`.
 */
import { groupKey } from "./keys.ts";
import type { Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { LAG_MAX, stepOf, TURN_MAX } from "./turn.ts";

/** A task begins to run: its queue and its group have had their turn. */
export function runBegins(s: QueueState, slot: number): void {
  s.lanes.countRun(slot, 1);
  if (s.version < 3) return;
  const { queue } = s.lanes.laneOf(slot);
  s.queueTurn = Math.max(queue.turn, s.queueTurn);
  queue.turn += stepOf(queue.settings.weight);
  s.dirtyQueues.add(queue);
  if (queue.groups.size === 0) return;
  const group = s.lanes.groups.ofSlot(slot, queue);
  queue.groupTurn = Math.max(group.turn, queue.groupTurn);
  group.turn += stepOf(group.weight);
  s.lanes.groups.dirty.add(group);
}

/** It runs no more. To be called before its state changes. */
export function runEnds(s: QueueState, slot: number): void {
  const { queue } = s.lanes.laneOf(slot);
  const { concurrency, groupConcurrency } = queue.settings;
  if (concurrency === 0 && groupConcurrency === 0) {
    s.lanes.countRun(slot, -1);
    return;
  }
  const group = s.lanes.groups.ofSlot(slot, queue);
  const wasClosed = queue.room === 0;
  const wasFull = group.room === 0;
  s.lanes.countRun(slot, -1);
  if (wasClosed) tellReady(s, queue);
  else if (wasFull && group.room > 0) {
    for (const { lane } of group.lines.values()) s.events.push(lane.readyEvent);
  }
}

/** What could not be leased of a queue can be now: workers that found nothing must look again. */
export function tellReady(s: QueueState, queue: Queue): void {
  if (queue.room === 0) return;
  for (const lane of queue.readyLanes) s.events.push(lane.readyEvent);
}

/** A live task of this group, "" = none, is in this slot now; it is in its lane, and not placed. */
export function joinGroup(s: QueueState, slot: number, name: string): void {
  // Records before version 3 have no room for it.
  if (name === "" || s.version < 3) return;
  s.lanes.groups.join(slot, s.lanes.laneOf(slot).queue, name);
}

/** The task leaves its group, which is forgotten with its last one. It stands in no line. */
export function leaveGroup(s: QueueState, slot: number): void {
  const gone = s.lanes.groups.leave(slot);
  if (gone?.isStored) s.overlay.delete(groupKey(gone.queue.name, gone.name));
}

/**
 * Turns only grow, and after some days at full speed would lose precision: then all of them are
 * brought down alike. Who is further behind than he may be is so no more, and nobody else notices.
 */
export function keepTurnsSmall(s: QueueState): void {
  if (s.queueTurn > TURN_MAX) {
    const step = s.queueTurn - LAG_MAX;
    for (const queue of s.lanes.queues.values()) {
      queue.turn = Math.max(0, queue.turn - step);
      s.dirtyQueues.add(queue);
    }
    s.queueTurn = LAG_MAX;
  }
  for (const queue of s.lanes.ready) if (queue.groupTurn > TURN_MAX) keepGroupTurnsSmall(s, queue);
}

function keepGroupTurnsSmall(s: QueueState, queue: Queue): void {
  const step = queue.groupTurn - LAG_MAX;
  for (const group of [queue.ungrouped, ...queue.groups.values()]) {
    group.turn = Math.max(0, group.turn - step);
    s.lanes.groups.dirty.add(group);
    for (const line of group.lines.values()) line.lane.grouped.changed(line);
  }
  queue.groupTurn = LAG_MAX;
  s.dirtyQueues.add(queue);
}
