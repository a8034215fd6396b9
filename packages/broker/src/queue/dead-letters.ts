/**
 * The dead letter queue of a queue: a task that would be dead in the one goes on in the other, as a
 * pending task, and is in one of them only at any time. Its id, content and attempts stay, and so
 * does its place in line; its retries and deliveries count anew, and it does not expire any more,
 * for somebody is to see it.
 *
 * Where dead letter queues lead back to the queue that a task would be dead in, it is dead there:
 * no task goes round for ever.
 */
import type { Lane } from "./lane.ts";
import { DEAD_LETTER_HOPS_MAX, QUEUES_MAX } from "./limits.ts";
import { DEAD_LETTER } from "./live-table.ts";
import type { Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { RUNNING } from "./state-number.ts";
import { joinGroup, leaveGroup } from "./turns.ts";

/** The lane in which a task that is given up goes on; undefined = none, or there is no room. */
export function deadLetterLane(s: QueueState, slot: number): Lane | undefined {
  if (s.version < 3) return undefined;
  const from = s.lanes.laneOf(slot);
  const name = from.queue.settings.deadLetterQueue;
  if (name === "" || leadsBack(s, from.queue)) return undefined;
  const known = s.lanes.queues.get(name);
  if (known === undefined && s.lanes.queues.size >= QUEUES_MAX) return undefined;
  if (!s.lanes.hasRoomFor(known, from)) return undefined;
  if (!s.lanes.groups.hasRoomFor(known, s.lanes.groups.nameOf(slot))) return undefined;
  return s.lanes.open(s.lanes.queue(name), from);
}

/** Puts a task, whose run has just ended, into this lane; it must be placed right after. */
export function moveToDeadLetters(s: QueueState, slot: number, to: Lane): void {
  const { table } = s;
  const from = s.lanes.laneOf(slot);
  const group = s.lanes.groups.nameOf(slot);
  leaveGroup(s, slot);
  s.lanes.enter(to);
  s.lanes.leave(from);
  table.lane[slot] = to.number;
  joinGroup(s, slot, group);
  // Still counted as running; the place that it gets now changes that.
  s.count(from.queue, RUNNING, -1);
  s.count(to.queue, RUNNING, 1);
  table.failures[slot] = 0;
  table.deliveries[slot] = 0;
  table.expiresAt[slot] = 0;
  table.flags[slot]! |= DEAD_LETTER;
  s.feed.changedQueue(table, slot, to, s.clock);
}

/** A round that this queue is no part of does not matter here: the task ends where it is met. */
function leadsBack(s: QueueState, from: Queue): boolean {
  const seen: string[] = [];
  let name = from.settings.deadLetterQueue;
  while (name !== "" && !seen.includes(name)) {
    if (name === from.name || seen.length === DEAD_LETTER_HOPS_MAX) return true;
    seen.push(name);
    name = s.lanes.queues.get(name)?.settings.deadLetterQueue ?? "";
  }
  return false;
}
