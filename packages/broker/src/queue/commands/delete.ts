/**
 * `delete`: a finished task goes for good, but for a tombstone while its window lasts; deleting it
 * again after that clears the tombstone and the idempotency key.
 */
import { conflict, DONE, DONE_BEFORE, NO_TASK } from "../answers.ts";
import type { Delete } from "../command.ts";
import { fingerprint } from "../fingerprint.ts";
import { NONE } from "../live-table.ts";
import { findFinished, findTombstone } from "../lookup.ts";
import { bury, clearTombstone } from "../removal.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

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
  if (tombstone.until <= s.clock) clearTombstone(s, id, tombstone);
  const same = tombstone.requestHigh === request.high && tombstone.requestLow === request.low;
  return same ? DONE_BEFORE : NO_TASK;
}
