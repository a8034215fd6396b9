/**
 * The two halves of a flush. `beginFlush` encodes the final state of every record that changed
 * and hands it over to be written; until `flushed` says that it is on disk, all of it stays
 * readable from memory. What changes in between belongs to the next flush.
 */
import { encodeBlock } from "./codec/history-records.ts";
import { encodeLive } from "./codec/live-record.ts";
import { encodeQueue } from "./codec/queue-record.ts";
import { encodeGroup, encodeMeta, encodeSession } from "./codec/small-records.ts";
import type { Group } from "./group.ts";
import {
  blockKey,
  CONTENT,
  groupKey,
  LIVE,
  META_KEY,
  namedKey,
  QUEUE,
  SESSION,
  taskKey,
} from "./keys.ts";
import { CONTENT_STORED, FREE, LISTED, STORED } from "./live-table.ts";
import type { Flush } from "./records.ts";
import type { QueueState } from "./state.ts";
import { RUNNING } from "./state-number.ts";

/** Records that a flush would write, beside the meta record; an upper bound. */
export function dirtyCount(s: QueueState): number {
  const named = s.dirtyQueues.size + s.dirtySessions.size + s.lanes.groups.dirty.size;
  return s.overlay.dirtyCount + s.dirtySlots.length + named;
}

export function beginFlush(s: QueueState): Flush {
  for (const slot of s.dirtySlots) {
    s.table.flags[slot]! &= ~LISTED;
    if (s.table.state[slot] !== FREE) writeLive(s, slot);
  }
  s.dirtySlots = [];
  for (const queue of s.dirtyQueues) {
    s.overlay.put(namedKey(QUEUE, queue.name), encodeQueue(queue, s.version));
  }
  s.dirtyQueues.clear();
  for (const group of s.lanes.groups.dirty) writeGroup(s, group);
  s.lanes.groups.dirty.clear();
  for (const { record } of s.dirtySessions) {
    s.overlay.put(namedKey(SESSION, record.id), encodeSession(record));
  }
  s.dirtySessions.clear();
  for (const number of s.blocks.takeDirty()) writeBlock(s, number);
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
  const names = { session, group: s.groupName(slot) };
  overlay.put(taskKey(LIVE, id), encodeLive(table, slot, s.lanes.laneOf(slot), names, s.version));
  const flags = table.flags[slot]!;
  table.flags[slot] = flags | STORED | CONTENT_STORED;
  if ((flags & CONTENT_STORED) !== 0) return;
  overlay.put(taskKey(CONTENT, id), table.content[slot]!);
  s.flushingSlots.push(slot);
}

function writeBlock(s: QueueState, number: number): void {
  const block = s.blocks.record(number);
  if (block === undefined) s.overlay.delete(blockKey(number));
  else s.overlay.put(blockKey(number), encodeBlock(block));
}

function writeGroup(s: QueueState, group: Group): void {
  const { queue, name, turn, newcomer } = group;
  const record = { queue: queue.name, group: name, turn, newcomer };
  s.overlay.put(groupKey(queue.name, name), encodeGroup(record));
  group.isStored = true;
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
    queueTurn: s.queueTurn,
    plainHistoryTo: s.plainHistoryTo,
    freshRevision: s.lanes.freshRevision,
  });
}
