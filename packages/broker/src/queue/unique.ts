/**
 * Unique keys: at most one task of a queue has one. A key is taken while its task is live, and, if
 * it was asked for a time, until that is over, whatever becomes of the task. Beside the task's own
 * record there is one for its key, which outlives the task as long as it is taken.
 *
 * A dead letter has left its queue and given up its key: there the same work may be submitted again
 * while somebody looks at what became of this one, and no submit replaces what he is to see. It has
 * none either where dead letters of dead letters lead back; only who starts it again asks for it.
 */
import { refuse } from "./answers.ts";
import { decodeUniqueRecord, encodeUniqueRecord } from "./codec/small-records.ts";
import { uniqueKey } from "./keys.ts";
import { DEAD_LETTER, NONE } from "./live-table.ts";
import { findFinished, sameBytes } from "./lookup.ts";
import type { Refused } from "./reply.ts";
import type { QueueState } from "./state.ts";
import { RUNNING, stateName } from "./state-number.ts";
import type { TaskContent, TaskId, TaskState, Unique } from "./task.ts";

export const UNIQUE_TAKEN = refuse(
  "state_conflict",
  "Another task of this queue has this unique key.",
);

/** The task that has a key. */
export interface Holder {
  readonly id: TaskId;
  /** undefined: it was deleted, and the time of its key is not over. */
  readonly state: TaskState | undefined;
  /** It has not begun to run, or waits for its next attempt: it can be replaced. */
  readonly waits: boolean;
}

/** `ending`: slot of a task that the command under way ends, or NONE. */
export function findHolder(
  s: QueueState,
  queue: string,
  key: string,
  ending: number,
): Holder | undefined {
  const stored = s.overlay.get(uniqueKey(queue, key));
  if (stored === undefined) return undefined;
  const { id, until } = decodeUniqueRecord(stored);
  const slot = s.table.find(id);
  const isHeld = slot !== ending && keepsKey(s, slot);
  if (!isHeld && until <= s.clock) return undefined;
  if (slot === NONE) {
    const finished = findFinished(s, id);
    const state = finished === undefined ? undefined : stateName(finished.state);
    return { id: id.slice(), state, waits: false };
  }
  const state = s.table.state[slot]!;
  return { id: id.slice(), state: stateName(state), waits: isHeld && state !== RUNNING };
}

export function takeUnique(s: QueueState, id: TaskId, queue: string, unique: Unique): void {
  const until = unique.forMs > 0 ? s.after(unique.forMs) : 0;
  s.overlay.put(uniqueKey(queue, unique.key), encodeUniqueRecord({ id, until }));
}

/**
 * A finished task is about to be started again, where it ended: there it must have its key, if that
 * is not another's.
 */
export function reclaimUnique(
  s: QueueState,
  id: TaskId,
  { queue, unique }: TaskContent,
  endedIn: string,
): Refused | undefined {
  if (unique === undefined || endedIn !== queue) return undefined;
  const key = uniqueKey(queue, unique.key);
  const stored = s.overlay.get(key);
  if (stored !== undefined && sameBytes(decodeUniqueRecord(stored).id, id)) return undefined;
  if (findHolder(s, queue, unique.key, NONE) !== undefined) return UNIQUE_TAKEN;
  s.overlay.put(key, encodeUniqueRecord({ id, until: 0 }));
  return undefined;
}

/** The task is deleted: its key goes with it, unless its time is not over. */
export function removeUnique(s: QueueState, id: TaskId, { queue, unique }: TaskContent): void {
  if (unique !== undefined) forgetUnique(s, queue, unique.key, id);
}

/**
 * Forgets a key that nobody has any more. With `of`: only if it was this task's, which is about to
 * go.
 */
export function forgetUnique(s: QueueState, queue: string, name: string, of?: TaskId): void {
  const key = uniqueKey(queue, name);
  const stored = s.overlay.get(key);
  if (stored === undefined) return;
  const { id, until } = decodeUniqueRecord(stored);
  if (until > s.clock || keepsKey(s, s.table.find(id))) return;
  if (of === undefined || sameBytes(id, of)) s.overlay.delete(key);
}

/** There is such a live task, and it has not given up its key. */
function keepsKey(s: QueueState, slot: number): boolean {
  return slot !== NONE && (s.table.flags[slot]! & DEAD_LETTER) === 0;
}
