/**
 * How a finished task goes for good, with all that is on record of it. While a late copy of its
 * submit could still be accepted, a tombstone stands in for it, and keeps its idempotency key.
 */
import { decodeContent } from "./codec/content.ts";
import type { FinishedRecord } from "./codec/finished-record.ts";
import type { Tombstone } from "./codec/small-records.ts";
import { decodeKeyRecord, encodeTombstone } from "./codec/small-records.ts";
import { type Fingerprint, fingerprint } from "./fingerprint.ts";
import { leaveHistory, leaveTags } from "./history-index.ts";
import { attemptKey, CONTENT, FINISHED, idempotencyKey, TOMBSTONE, taskKey } from "./keys.ts";
import { ATTEMPTS_KEPT, DEDUP_WINDOW_MS, ID_AHEAD_MS_MAX } from "./limits.ts";
import { removeEdges } from "./links.ts";
import { finishedContent, sameBytes } from "./lookup.ts";
import { removeRunNotes } from "./notes.ts";
import type { QueueState } from "./state.ts";
import type { TaskId } from "./task.ts";
import { removeUnique } from "./unique.ts";

/** `request`: of the one who deletes it; a copy of it is known by the tombstone. */
export function bury(
  s: QueueState,
  id: TaskId,
  finished: FinishedRecord,
  request: Fingerprint,
): void {
  const bytes = finishedContent(s, id, finished);
  const content = decodeContent(bytes);
  leaveHistory(s, id, finished);
  // What has ended before version 3 is in no index of tags.
  if (finished.order !== undefined) leaveTags(s, id, content);
  removeRecords(s, id, finished);
  removeEdges(s, id, content);
  removeUnique(s, id, content);
  s.count(s.lanes.queue(finished.queue), finished.state, -1);
  s.hash.removal(id);
  s.feed.removed(id, finished, s.clock);
  removeRunNotes(s, id, finished);
  // The id may say a later time than the clock did when it was submitted.
  const until = finished.createdAt + DEDUP_WINDOW_MS + ID_AHEAD_MS_MAX;
  // The key is that of the queue it was submitted to, which a dead letter has left.
  const { queue, idempotencyKey: key } = content;
  if (until <= s.clock) {
    forgetKey(s, id, queue, key);
    return;
  }
  const { high, low } = fingerprint(bytes);
  const tombstone = {
    contentHigh: high,
    contentLow: low,
    queue,
    idempotencyKey: key,
    requestHigh: request.high,
    requestLow: request.low,
    until,
  };
  s.overlay.put(taskKey(TOMBSTONE, id), encodeTombstone(tombstone));
  s.tombstones++;
}

/** A tombstone whose time is over goes with the key that it kept. */
export function clearTombstone(s: QueueState, id: TaskId, tombstone: Tombstone): void {
  s.overlay.delete(taskKey(TOMBSTONE, id));
  s.tombstones--;
  forgetKey(s, id, tombstone.queue, tombstone.idempotencyKey);
}

function removeRecords(s: QueueState, id: TaskId, finished: FinishedRecord): void {
  s.overlay.delete(taskKey(FINISHED, id));
  if (finished.content === undefined) s.overlay.delete(taskKey(CONTENT, id));
  const last = finished.final === undefined ? finished.attempt : finished.attempt - 1;
  const first = Math.max(1, finished.attempt - ATTEMPTS_KEPT + 1);
  for (let number = first; number <= last; number++) s.overlay.delete(attemptKey(id, number));
}

/** The key may stand for a younger task by now. */
function forgetKey(s: QueueState, id: TaskId, queue: string, name: string): void {
  if (name === "") return;
  const key = idempotencyKey(queue, name);
  const stored = s.overlay.get(key);
  if (stored !== undefined && sameBytes(decodeKeyRecord(stored).id, id)) s.overlay.delete(key);
}
