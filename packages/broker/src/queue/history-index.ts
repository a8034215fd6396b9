/**
 * What is kept beside the records of finished tasks, so that they can be found and counted: indexes
 * by state, by tag and by error, the summaries of blocks, and the bytes of each queue. What ended
 * before version 3 of the cluster is in the first of these only.
 */
import type { Ending, FinishedRecord } from "./codec/finished-record.ts";
import { INDEX_VALUE } from "./codec/small-records.ts";
import { enterErrorGroup, errorFingerprint, leaveErrorGroup } from "./error-groups.ts";
import type { IndexedState } from "./keys.ts";
import { errorKey, indexKey, tagKey } from "./keys.ts";
import { ID_AHEAD_MS_MAX } from "./limits.ts";
import type { QueueState } from "./state.ts";
import { CANCELLED, COMPLETED, DEAD, EXPIRED } from "./state-number.ts";
import type { ClusterTime, TaskContent, TaskId } from "./task.ts";

/** For all that a finished task has beside content, result and error. */
const RECORD_BYTES = 128;

/** The state's name in the index of its tasks, or undefined. */
function indexOf(state: number): IndexedState | undefined {
  if (state === DEAD) return "dead";
  if (state === CANCELLED) return "cancelled";
  return state === EXPIRED ? "expired" : undefined;
}

/** The task in this slot has ended, and still has its slot. */
export function enterHistory(s: QueueState, slot: number, id: TaskId, ending: Ending): void {
  const { state, error } = ending;
  const index = indexOf(state);
  if (index !== undefined) s.overlay.put(indexKey(index, id), INDEX_VALUE);
  if (s.version < 3) return;
  const { queue, type } = s.lanes.laneOf(slot);
  s.blocks.enter(s.table, slot, queue.name, type, ending);
  if (state !== DEAD) {
    queue.finishedBytes += historyBytes(s.table.contentBytes[slot]!, ending);
  } else if (error !== undefined) {
    const print = errorFingerprint(type, error.message);
    s.overlay.put(errorKey(print, id), INDEX_VALUE);
    enterErrorGroup(s, print, type, error.message);
  }
}

/** A finished task is started again or removed. */
export function leaveHistory(s: QueueState, id: TaskId, record: FinishedRecord): void {
  const { state, error } = record;
  const index = indexOf(state);
  if (index !== undefined) s.overlay.delete(indexKey(index, id));
  if (record.order === undefined) return;
  s.blocks.leave(record.order, state);
  if (state !== DEAD) {
    addFinishedBytes(s, record.queue, -historyBytes(record.contentBytes, record));
  } else if (error !== undefined) {
    const print = errorFingerprint(record.type, error.message);
    s.overlay.delete(errorKey(print, id));
    leaveErrorGroup(s, print);
  }
}

/** Of a finished task, which stays what it is, the result is removed. */
export function resultLeavesHistory(s: QueueState, record: FinishedRecord): void {
  if (record.order === undefined || record.state === DEAD) return;
  addFinishedBytes(s, record.queue, -(record.result?.bytes.length ?? 0));
}

/**
 * What a finished task adds to its queue's `finishedBytes`: about what it takes on disk, but the
 * same on every replica, however its parts are laid out there. Of what was submitted before version
 * 3 the content does not count.
 */
export function historyBytes(contentBytes: number, { error, result }: Ending): number {
  const said = error === undefined ? 0 : error.message.length + error.stack.length;
  return RECORD_BYTES + contentBytes + said + (result?.bytes.length ?? 0);
}

/**
 * A new task's tags, from its submit until it is deleted: its content is at hand at both, and need
 * not be read in between. Those of tasks from before version 3 are in no index.
 */
export function enterTags(s: QueueState, id: TaskId, { tags }: TaskContent): void {
  if (s.version < 3) return;
  for (const tag of tags) s.overlay.put(tagKey(tag, id), INDEX_VALUE);
}

export function leaveTags(s: QueueState, id: TaskId, { tags }: TaskContent): void {
  for (const tag of tags) s.overlay.delete(tagKey(tag, id));
}

/**
 * The cluster goes over to version 3: what ended before has no place in line on record, and no
 * index knows the tags of what is there. No id of these is beyond the time that is set here.
 */
export function closePlainHistory(s: QueueState): void {
  if (s.counts.some((count) => count > 0)) s.plainHistoryTo = s.clock + ID_AHEAD_MS_MAX;
}

/**
 * From this time of ids on, the index of tags has all tasks; undefined: there is none yet. A task
 * with an earlier id may be from before version 3.
 */
export function tagsSince(s: QueueState): ClusterTime | undefined {
  if (s.version < 3) return undefined;
  return s.plainHistoryTo === 0 ? 0 : s.plainHistoryTo + 1;
}

export function finishedCount({ counts }: QueueState): number {
  return counts[COMPLETED]! + counts[DEAD]! + counts[CANCELLED]! + counts[EXPIRED]!;
}

function addFinishedBytes(s: QueueState, name: string, change: number): void {
  const queue = s.lanes.queue(name);
  queue.finishedBytes += change;
  s.dirtyQueues.add(queue);
}
