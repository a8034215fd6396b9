/**
 * `cancel`: an unfinished task will not run, or not run on. A running one is cancelled at once: its
 * lease ends here, and what its worker reports later is too late.
 */
import { changedTo, conflict, NO_TASK, repeatedIn } from "../answers.ts";
import type { FinalRun } from "../codec/finished-record.ts";
import type { Cancel } from "../command.ts";
import { CANCEL_REASON_BYTES_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished } from "../lookup.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { CANCELLED, RUNNING } from "../state-number.ts";
import { endRun, finish, loseLease, withdraw } from "../transitions.ts";
import { truncateText } from "../truncate.ts";

export function cancel(s: QueueState, { id, reason }: Cancel): Reply {
  const slot = s.table.find(id);
  if (slot === NONE) {
    const finished = findFinished(s, id);
    if (finished === undefined) return NO_TASK;
    if (finished.state === CANCELLED) return repeatedIn(CANCELLED);
    return conflict(finished.state, "cancelled");
  }
  const message = truncateText(reason, CANCEL_REASON_BYTES_MAX);
  finish(s, slot, {
    state: CANCELLED,
    at: s.clock,
    final: stop(s, slot),
    error: message === "" ? undefined : { message, stack: "" },
    result: undefined,
  });
  return changedTo(CANCELLED);
}

/** Out of the task's place, wherever it is; returns the run that was under way. */
function stop(s: QueueState, slot: number): FinalRun | undefined {
  if (s.table.state[slot] !== RUNNING) {
    withdraw(s, slot);
    return undefined;
  }
  loseLease(s, slot, "cancelled");
  return endRun(s, slot, "cancelled");
}
