/**
 * What a delivery needs, taken from the live table and the task's content. The token is checked
 * each time: while a cold content was being read, the lease may have ended and the slot may hold
 * another task.
 */
import { decodeContent } from "./codec/content.ts";
import { CONTENT, taskKey } from "./keys.ts";
import type { QueueState } from "./state.ts";
import { PRIORITIES, type Token } from "./task.ts";
import { leaseDeadline } from "./task-view.ts";
import type { ColdDelivery, Delivery } from "./view.ts";

/** undefined = this lease is over. */
export function deliver(
  s: QueueState,
  slot: number,
  token: Token,
): Delivery | ColdDelivery | undefined {
  if (!isLive(s, slot, token)) return undefined;
  const inMemory = s.table.content[slot];
  if (inMemory !== undefined) return deliverFrom(s, inMemory, slot, token);
  const key = taskKey(CONTENT, s.table.id(slot));
  const unwritten = s.overlay.hot(key);
  return unwritten === undefined ? { kind: "cold", key } : deliverFrom(s, unwritten, slot, token);
}

/** With the content as read from the store. undefined = this lease is over. */
export function deliverFrom(
  s: QueueState,
  contentBytes: Uint8Array,
  slot: number,
  token: Token,
): Delivery | undefined {
  if (!isLive(s, slot, token)) return undefined;
  const { table } = s;
  const lane = s.lanes.laneOf(slot);
  const content = decodeContent(contentBytes);
  return {
    kind: "ready",
    id: table.id(slot),
    token,
    session: s.sessions.ofSlot(slot).record.id,
    type: lane.type,
    queue: lane.queue.name,
    priority: PRIORITIES[table.priority[slot]!]!,
    attempt: table.attempt[slot]!,
    failures: table.failures[slot]!,
    maxRetries: table.policy(slot).maxRetries,
    createdAt: table.createdAt[slot]!,
    deadline: leaseDeadline(s, slot),
    timeoutMs: table.timeoutMs[slot]!,
    payload: content.payload,
    payloadType: content.payloadType,
    tags: content.tags,
    metadata: content.metadata,
    traceparent: content.traceparent,
  };
}

function isLive(s: QueueState, slot: number, token: Token): boolean {
  return token > 0 && s.table.token[slot] === token;
}
