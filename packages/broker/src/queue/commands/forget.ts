/**
 * `forget`: what stood in for tasks that are no more, once nobody could ask for it: tombstones
 * whose window is over, with the keys that they kept, and keys of either kind that nobody has.
 */
import { DONE, refuse } from "../answers.ts";
import { decodeKeyRecord } from "../codec/small-records.ts";
import type { Forget, QueueKey } from "../command.ts";
import { idempotencyKey } from "../keys.ts";
import { DEDUP_WINDOW_MS, FORGET_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished, findTombstone } from "../lookup.ts";
import { clearTombstone } from "../removal.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import type { TaskId } from "../task.ts";
import { forgetUnique } from "../unique.ts";

const TOO_MANY = refuse("invalid_request", `A forget is of ${FORGET_MAX} things at most.`);

export function forget(s: QueueState, command: Forget): Reply {
  const { tombstones, idempotencyKeys, uniqueKeys } = command;
  if (tombstones.length + idempotencyKeys.length + uniqueKeys.length > FORGET_MAX) return TOO_MANY;
  for (const id of tombstones) {
    const tombstone = findTombstone(s, id);
    if (tombstone !== undefined && tombstone.until <= s.clock) clearTombstone(s, id, tombstone);
  }
  for (const key of idempotencyKeys) forgetKey(s, key);
  for (const { queue, key } of uniqueKeys) forgetUnique(s, queue, key);
  return DONE;
}

/** A key goes together with its task, or the tombstone of it, and its window must be over. */
function forgetKey(s: QueueState, { queue, key: name }: QueueKey): void {
  const key = idempotencyKey(queue, name);
  const stored = s.overlay.get(key);
  if (stored === undefined) return;
  const { id, at } = decodeKeyRecord(stored);
  if (at + DEDUP_WINDOW_MS <= s.clock && !isKnown(s, id)) s.overlay.delete(key);
}

function isKnown(s: QueueState, id: TaskId): boolean {
  if (s.table.find(id) !== NONE) return true;
  return findFinished(s, id) !== undefined || findTombstone(s, id) !== undefined;
}
