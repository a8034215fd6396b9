/**
 * The two halves of a flush. `beginFlush` encodes the final state of every record that changed
 * and hands it over to be written; until `flushed` says that it is on disk, all of it stays
 * readable from memory. What changes in between belongs to the next flush.
 */
import { encodeLive } from "./codec/live-record.ts";
import { encodeMeta, encodeQueue, encodeSession } from "./codec/small-records.ts";
import { CONTENT, LIVE, META_KEY, namedKey, QUEUE, SESSION, taskKey } from "./keys.ts";
import { CONTENT_STORED, FREE, LISTED, STORED } from "./live-table.ts";
import type { Flush } from "./records.ts";
import type { QueueState } from "./state.ts";
import { RUNNING } from "./state-number.ts";

/** Records that a flush would write, beside the meta record; an upper bound. */
export function dirtyCount(s: QueueState): number {
  return s.overlay.dirtyCount + s.dirtySlots.length + s.dirtyQueues.size + s.dirtySessions.size;
}

export function beginFlush(s: QueueState): Flush {
  for (const slot of s.dirtySlots) {
    s.table.flags[slot]! &= ~LISTED;
    if (s.table.state[slot] !== FREE) writeLive(s, slot);
  }
  s.dirtySlots = [];
  for (const queue of s.dirtyQueues) {
    s.overlay.put(namedKey(QUEUE, queue.name), encodeQueue(queue));
  }
  s.dirtyQueues.clear();
  for (const { record } of s.dirtySessions) {
    s.overlay.put(namedKey(SESSION, record.id), encodeSession(record));
  }
  s.dirtySessions.clear();
  s.overlay.put(META_KEY, writeMeta(s));
  return { applied: s.applied, writes: s.overlay.beginFlush() };
}

export function flushed(s: QueueState): void {
  s.overlay.flushed();
  for (const slot of s.flushingSlots) {
    // The slot may hold another task by now, whose content is not on disk yet.
    if ((s.table.flags[slot]! & CONTENT_STORED) !== 0) s.hotContents.keep(slot);
  }
  s.flushingSlots = [];
}

function writeLive(s: QueueState, slot: number): void {
  const { table, overlay } = s;
  const id = table.id(slot);
  const session = table.state[slot] === RUNNING ? s.sessions.ofSlot(slot).record.id : "";
  overlay.put(taskKey(LIVE, id), encodeLive(table, slot, s.lanes.laneOf(slot), session));
  const flags = table.flags[slot]!;
  table.flags[slot] = flags | STORED | CONTENT_STORED;
  if ((flags & CONTENT_STORED) !== 0) return;
  overlay.put(taskKey(CONTENT, id), table.content[slot]!);
  s.flushingSlots.push(slot);
}

function writeMeta(s: QueueState): Uint8Array {
  return encodeMeta({
    version: s.version,
    applied: s.applied,
    clock: s.clock,
    nextOrder: s.nextOrder,
    nextToken: s.nextToken,
    hashHigh: s.hash.high,
    hashLow: s.hash.low,
    tombstones: s.tombstones,
  });
}
