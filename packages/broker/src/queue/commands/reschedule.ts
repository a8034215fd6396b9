/**
 * `reschedule`: a task that waits for its time, or for a worker, waits for another time. What waits
 * for its parents has no time yet, and what runs or has ended needs none.
 */
import { changedTo, conflict, NO_TASK, refuse, repeatedIn } from "../answers.ts";
import type { Reschedule } from "../command.ts";
import { NONE } from "../live-table.ts";
import { findFinished } from "../lookup.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { PENDING, RETRYING, SCHEDULED } from "../state-number.ts";
import { becomePending, becomeWaiting, withdraw } from "../transitions.ts";

const MOVED = refuse(
  "state_conflict",
  "The task has moved since this was asked for; look at it again, and say when it is to run.",
);

export function reschedule(s: QueueState, { id, runAt, ifUpdatedAt }: Reschedule): Reply {
  const { table } = s;
  const slot = table.find(id);
  if (slot === NONE) {
    const finished = findFinished(s, id);
    return finished === undefined ? NO_TASK : conflict(finished.state, "rescheduled");
  }
  const state = table.state[slot]!;
  if (state !== SCHEDULED && state !== RETRYING && state !== PENDING) {
    return conflict(state, "rescheduled");
  }
  const dueAt = s.after(runAt - s.clock);
  const isDue = dueAt <= s.clock;
  // A pending task has been due since some time before now.
  if (state === PENDING ? isDue : dueAt === table.dueAt[slot]) return repeatedIn(state);
  if (ifUpdatedAt !== undefined && ifUpdatedAt !== table.updatedAt[slot]) return MOVED;
  withdraw(s, slot);
  if (isDue) becomePending(s, slot);
  else becomeWaiting(s, slot, state === RETRYING ? RETRYING : SCHEDULED, dueAt);
  return changedTo(table.state[slot]!);
}
