/**
 * All access keys, in memory. One that has ended is remembered, so that a list can say why it is
 * refused, until a new one needs its room.
 */
import { type AccessKey, hasEnded } from "./access-key.ts";
import { encodeAccessKey } from "./codec/access-key-record.ts";
import { ACCESS_KEY, taskKey } from "./keys.ts";
import { ACCESS_KEYS_MAX } from "./limits.ts";
import type { QueueState } from "./state.ts";
import { uuidText } from "./uuid-text.ts";

/** In the order of their ids. */
export function listAccessKeys(s: QueueState): AccessKey[] {
  return [...s.accessKeys].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, key]) => key);
}

/** `id` as people read it, see `accessKeyId`. */
export function findAccessKey(s: QueueState, id: string): AccessKey | undefined {
  return s.accessKeys.get(id);
}

/** 32 hexadecimal digits. */
export function accessKeyId(id: Uint8Array): string {
  return uuidText(id).replaceAll("-", "");
}

export function putAccessKey(s: QueueState, key: AccessKey): void {
  s.accessKeys.set(accessKeyId(key.id), key);
  s.hash.accessKey(key.id, key.expiresAt);
  s.overlay.put(taskKey(ACCESS_KEY, key.id), encodeAccessKey(key));
}

/** Makes room for one more at the cost of one that has ended; false: all are in force. */
export function hasRoomForAccessKey(s: QueueState): boolean {
  if (s.accessKeys.size < ACCESS_KEYS_MAX) return true;
  const ended = listAccessKeys(s).filter((key) => hasEnded(key, s.clock));
  if (ended.length === 0) return false;
  // Of equal times the smallest id, whatever the order in which they were loaded.
  const oldest = ended.reduce((a, b) => (b.expiresAt < a.expiresAt ? b : a));
  s.accessKeys.delete(accessKeyId(oldest.id));
  s.hash.removal(oldest.id);
  s.overlay.delete(taskKey(ACCESS_KEY, oldest.id));
  return true;
}
