/** The replies that many commands share; accepted ones are made once, not once for each task. */

import { NONE } from "./live-table.ts";
import { findFinished } from "./lookup.ts";
import type { Accepted, RefusalCode, Refused, Reply } from "./reply.ts";
import type { QueueState } from "./state.ts";
import { stateName } from "./state-number.ts";
import type { AttemptOutcome, TaskId, Token } from "./task.ts";
import { ATTEMPT_OUTCOMES, TASK_STATES } from "./task.ts";

const CHANGED: readonly Accepted[] = TASK_STATES.map((state) =>
  Object.freeze<Accepted>({ code: "ok", id: undefined, state, duplicate: false }),
);
const REPEATED: readonly Accepted[] = TASK_STATES.map((state) =>
  Object.freeze<Accepted>({ code: "ok", id: undefined, state, duplicate: true }),
);

/** Accepted, where no task's state is to be told. */
export const DONE: Accepted = Object.freeze({
  code: "ok",
  id: undefined,
  state: undefined,
  duplicate: false,
});

/** Accepted before. */
export const DONE_BEFORE: Accepted = Object.freeze({ ...DONE, duplicate: true });

export const NO_TASK = refuse("not_found", "There is no task with this id.");

export const NO_SESSION = refuse(
  "not_found",
  "This session is not registered, or it has ended; register it again.",
);

/** Accepted; the task is in `state` now. */
export function changedTo(state: number): Accepted {
  return CHANGED[state]!;
}

/** Accepted before; the task is in `state` now. */
export function repeatedIn(state: number): Accepted {
  return REPEATED[state]!;
}

export function refuse(code: RefusalCode, message: string): Refused {
  return Object.freeze({ code, message });
}

const STALE = refuse(
  "stale_token",
  "This token is not that of the task's running attempt: the lease ended before this report.",
);

/**
 * Answer to a report about a run that is not under way: a copy of the report that ended it is
 * accepted again, any other is too late.
 */
export function answerEnded(
  s: QueueState,
  id: TaskId,
  token: Token,
  outcome: AttemptOutcome | undefined,
): Reply {
  const wanted = outcome === undefined ? NONE : ATTEMPT_OUTCOMES.indexOf(outcome);
  const { table } = s;
  const slot = table.find(id);
  if (slot !== NONE) {
    const same = table.endedToken[slot] === token && table.endedOutcome[slot] === wanted;
    return same && token > 0 ? repeatedIn(table.state[slot]!) : STALE;
  }
  const finished = findFinished(s, id);
  if (finished === undefined) return NO_TASK;
  const same = finished.endedToken === token && finished.endedOutcome === wanted;
  return same && token > 0 ? repeatedIn(finished.state) : STALE;
}

/** The slot in which the run with this token is under way, or NONE. */
export function findRun(s: QueueState, id: TaskId, token: Token): number {
  const slot = s.table.find(id);
  return slot !== NONE && token > 0 && s.table.token[slot] === token ? slot : NONE;
}

export function conflict(state: number, wish: string): Refused {
  return refuse("state_conflict", `A ${stateName(state)} task cannot be ${wish}.`);
}

/** Somebody has changed it since the caller looked at it, or since this was sent first. */
export function queueChanged(revision: number): Refused {
  return refuse(
    "state_conflict",
    `The queue has revision ${revision} by now; look at it again, and change that one.`,
  );
}
