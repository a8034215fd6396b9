/**
 * `delete`: a finished task goes for good. While a late copy of its submit could still be
 * accepted, a tombstone stands in for it; deleting again after that clears the tombstone and the
 * idempotency key.
 */
import { conflict, DONE, DONE_BEFORE, NO_TASK } from "../answers.ts";
import { decodeContent } from "../codec/content.ts";
import type { FinishedRecord } from "../codec/finished-record.ts";
import type { Tombstone } from "../codec/small-records.ts";
import { decodeKeyRecord, encodeTombstone } from "../codec/small-records.ts";
import type { Delete } from "../command.ts";
import { type Fingerprint, fingerprint } from "../fingerprint.ts";
import {
  attemptKey,
  CONTENT,
  FINISHED,
  idempotencyKey,
  indexKey,
  TOMBSTONE,
  taskKey,
} from "../keys.ts";
import { ATTEMPTS_KEPT, DEDUP_WINDOW_MS, ID_AHEAD_MS_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished, findTombstone, finishedContent, sameBytes } from "../lookup.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { CANCELLED, DEAD } from "../state-number.ts";
import type { TaskId } from "../task.ts";

export function deleteTask(s: QueueState, { id, requestId }: Delete): Reply {
  const request = fingerprint(requestId);
  const slot = s.table.find(id);
  if (slot !== NONE) return conflict(s.table.state[slot]!, "deleted");
  const finished = findFinished(s, id);
  if (finished !== undefined) {
    bury(s, id, finished, request);
    return DONE;
  }
  const tombstone = findTombstone(s, id);
  if (tombstone === undefined) return NO_TASK;
  if (tombstone.until <= s.clock) clear(s, id, tombstone);
  const same = tombstone.requestHigh === request.high && tombstone.requestLow === request.low;
  return same ? DONE_BEFORE : NO_TASK;
}

function bury(s: QueueState, id: TaskId, finished: FinishedRecord, request: Fingerprint): void {
  const bytes = finishedContent(s, id, finished);
  const content = decodeContent(bytes);
  removeRecords(s, id, finished);
  s.count(s.lanes.queue(finished.queue), finished.state, -1);
  s.hash.removal(id);
  // The id may say a later time than the clock did when it was submitted.
  const until = finished.createdAt + DEDUP_WINDOW_MS + ID_AHEAD_MS_MAX;
  if (until <= s.clock) {
    forgetKey(s, id, finished.queue, content.idempotencyKey);
    return;
  }
  const { high, low } = fingerprint(bytes);
  const tombstone = {
    contentHigh: high,
    contentLow: low,
    queue: finished.queue,
    idempotencyKey: content.idempotencyKey,
    requestHigh: request.high,
    requestLow: request.low,
    until,
  };
  s.overlay.put(taskKey(TOMBSTONE, id), encodeTombstone(tombstone));
  s.tombstones++;
}

function removeRecords(s: QueueState, id: TaskId, finished: FinishedRecord): void {
  s.overlay.delete(taskKey(FINISHED, id));
  if (finished.state === DEAD) s.overlay.delete(indexKey("dead", id));
  if (finished.state === CANCELLED) s.overlay.delete(indexKey("cancelled", id));
  if (finished.content === undefined) s.overlay.delete(taskKey(CONTENT, id));
  const last = finished.final === undefined ? finished.attempt : finished.attempt - 1;
  const first = Math.max(1, finished.attempt - ATTEMPTS_KEPT + 1);
  for (let number = first; number <= last; number++) s.overlay.delete(attemptKey(id, number));
}

function clear(s: QueueState, id: TaskId, tombstone: Tombstone): void {
  s.overlay.delete(taskKey(TOMBSTONE, id));
  s.tombstones--;
  forgetKey(s, id, tombstone.queue, tombstone.idempotencyKey);
}

/** The key may stand for a younger task by now. */
function forgetKey(s: QueueState, id: TaskId, queue: string, name: string): void {
  if (name === "") return;
  const key = idempotencyKey(queue, name);
  const stored = s.overlay.get(key);
  if (stored !== undefined && sameBytes(decodeKeyRecord(stored).id, id)) s.overlay.delete(key);
}
