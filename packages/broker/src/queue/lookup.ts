/**
 * Finding what is known of a task that is not live, or whose content is not in memory: point
 * reads.
 */
import { assert } from "./assert.ts";
import type { FinishedRecord } from "./codec/finished-record.ts";
import { decodeFinishedRecord } from "./codec/finished-record.ts";
import type { Tombstone } from "./codec/small-records.ts";
import { decodeTombstone } from "./codec/small-records.ts";
import { CONTENT, FINISHED, TOMBSTONE, taskKey } from "./keys.ts";
import type { QueueState } from "./state.ts";
import type { TaskId } from "./task.ts";

export function findFinished(s: QueueState, id: TaskId): FinishedRecord | undefined {
  const bytes = s.overlay.get(taskKey(FINISHED, id));
  return bytes === undefined ? undefined : decodeFinishedRecord(bytes);
}

export function findTombstone(s: QueueState, id: TaskId): Tombstone | undefined {
  if (s.tombstones === 0) return undefined;
  const bytes = s.overlay.get(taskKey(TOMBSTONE, id));
  return bytes === undefined ? undefined : decodeTombstone(bytes);
}

/** Content of a live task: in memory until flushed, then under its own key. */
export function liveContent(s: QueueState, slot: number): Uint8Array {
  return s.table.content[slot] ?? storedContent(s, s.table.id(slot));
}

/** Content of a finished task: inside its record, or under its own key. */
export function finishedContent(s: QueueState, id: TaskId, record: FinishedRecord): Uint8Array {
  return record.content ?? storedContent(s, id);
}

function storedContent(s: QueueState, id: TaskId): Uint8Array {
  const bytes = s.overlay.get(taskKey(CONTENT, id));
  assert(bytes !== undefined, "a task's content is missing from the store");
  return bytes;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}
