/**
 * Newcomers: queues and groups that no lease has looked at since something of them can be leased.
 * The first lease that does gives them their place: beside the least of those that the same session
 * could have and that have been looked at before, and at most one step behind it. So time without
 * tasks, without room under a limit or without a worker is not made up for, nor does anybody pay
 * for what he was given then; and those that have waited side by side keep their distance, whatever
 * others are given meanwhile by other workers, or because they are more urgent.
 *
 * But nobody moves beyond the turn that was served last: whose own run was all that closed them
 * have missed nothing, and by moving up to those that wait would lose what their weight gives them.
 */
import type { Group } from "./group.ts";
import type { Lane } from "./lane.ts";
import type { Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { LAG_MAX, stepOf } from "./turn.ts";

const NOBODY = Number.POSITIVE_INFINITY;

/** Of the queues that a session may have something of. */
export function placeQueues(s: QueueState, queues: readonly Queue[]): void {
  let least = NOBODY;
  for (const { newcomer, turn } of queues) if (!newcomer) least = Math.min(least, turn);
  for (const queue of queues) {
    if (!queue.newcomer) continue;
    queue.turn = placed(queue.turn, least, s.queueTurn, stepOf(queue.settings.weight));
    queue.newcomer = false;
    s.dirtyQueues.add(queue);
  }
}

/**
 * Nobody served these queues, which all had their places, while others went on: what they missed is
 * made up for in part only. All of them move up alike, so that they keep their distance.
 */
export function limitLag(s: QueueState, queues: readonly Queue[]): void {
  let least = NOBODY;
  for (const { turn } of queues) least = Math.min(least, turn);
  if (least === NOBODY || s.queueTurn - least <= LAG_MAX) return;
  // Half of it, so that a queue that is always behind seldom costs this.
  const step = s.queueTurn - LAG_MAX / 2 - least;
  for (const queue of queues) {
    if (queue.turn >= s.queueTurn) continue;
    queue.turn = Math.min(s.queueTurn, queue.turn + step);
    s.dirtyQueues.add(queue);
  }
}

/** Of the groups that a session may have something of, which is in these lanes of the queue. */
export function placeGroups(s: QueueState, queue: Queue, lanes: readonly Lane[]): void {
  // Those without a group have nobody beside them.
  if (queue.groups.size === 0) return;
  let least = NOBODY;
  let isAnyNew = false;
  for (const lane of lanes) {
    least = Math.min(least, lane.leastTurn(s.clock));
    isAnyNew ||= lane.hasNewcomers;
  }
  if (isAnyNew) {
    for (const group of newcomersIn(queue, lanes)) {
      const turn = placed(group.turn, least, queue.groupTurn, stepOf(group.weight));
      group.newcomer = false;
      moveGroup(s, group, turn);
    }
  }
  if (least !== NOBODY) limitGroupLag(s, queue, lanes, least);
}

function newcomersIn(queue: Queue, lanes: readonly Lane[]): Set<Group> {
  const groups = new Set<Group>();
  for (const lane of lanes) {
    if (lane.plain.count > 0 && queue.ungrouped.newcomer) groups.add(queue.ungrouped);
    for (const { group } of lane.newcomers) groups.add(group);
  }
  return groups;
}

/** As `limitLag` does it for queues. */
function limitGroupLag(s: QueueState, queue: Queue, lanes: readonly Lane[], least: number): void {
  const last = queue.groupTurn;
  if (last - least <= LAG_MAX) return;
  const step = last - LAG_MAX / 2 - least;
  const move = (group: Group): void => {
    if (group.turn < last) moveGroup(s, group, Math.min(last, group.turn + step));
  };
  if (lanes.some(({ plain }) => plain.count > 0)) move(queue.ungrouped);
  const looked = new Set(lanes);
  for (const group of queue.groups.values()) {
    for (const { lane, open } of group.lines.values()) {
      if (open === 0 || !looked.has(lane)) continue;
      move(group);
      break;
    }
  }
}

function moveGroup(s: QueueState, group: Group, turn: number): void {
  group.turn = turn;
  s.lanes.groups.dirty.add(group);
  for (const line of group.lines.values()) line.lane.grouped.changed(line);
}

/** `last`: the turn of the one served last, which counts alone when nobody else is there. */
function placed(turn: number, least: number, last: number, step: number): number {
  if (least === NOBODY) return Math.max(turn, last);
  return Math.min(Math.max(turn, Math.min(least, last)), least + step);
}
