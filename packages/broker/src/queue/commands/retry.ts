/**
 * `retry`: a dead or cancelled task begins anew at the end of the line, with its attempts on
 * record and its whole retry budget. The request's fingerprint stays with the task, so that a
 * late copy of the request does not restart it again.
 */
import { changedTo, conflict, NO_TASK, refuse, repeatedIn } from "../answers.ts";
import { encodeAttempt } from "../codec/attempt-record.ts";
import { decodeContent } from "../codec/content.ts";
import type { FinishedRecord } from "../codec/finished-record.ts";
import type { Retry } from "../command.ts";
import { type Fingerprint, fingerprint } from "../fingerprint.ts";
import { attemptKey, FINISHED, indexKey, taskKey } from "../keys.ts";
import { LANES_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished, finishedContent } from "../lookup.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { COMPLETED, DEAD, PENDING } from "../state-number.ts";
import type { TaskId } from "../task.ts";
import { ATTEMPT_OUTCOMES } from "../task.ts";
import { admit, place } from "../transitions.ts";

const TOO_MANY_LANES = refuse(
  "overloaded",
  `There are unfinished tasks of ${LANES_MAX} pairs of queue and type already.`,
);

export function retry(s: QueueState, { id, requestId }: Retry): Reply {
  const request = fingerprint(requestId);
  const { table } = s;
  const slot = table.find(id);
  if (slot !== NONE) {
    const state = table.state[slot]!;
    const same = table.requestHigh[slot] === request.high && table.requestLow[slot] === request.low;
    return same ? repeatedIn(state) : conflict(state, "retried");
  }
  const finished = findFinished(s, id);
  if (finished === undefined) return NO_TASK;
  const same = finished.requestHigh === request.high && finished.requestLow === request.low;
  if (same) return repeatedIn(finished.state);
  if (finished.state === COMPLETED) return conflict(COMPLETED, "retried");
  const queue = s.lanes.queue(finished.queue);
  if (!s.lanes.hasRoomFor(queue, finished.type)) return TOO_MANY_LANES;
  restart(s, id, finished, request);
  return changedTo(PENDING);
}

function restart(s: QueueState, id: TaskId, finished: FinishedRecord, request: Fingerprint): void {
  const { table } = s;
  const { timeoutMs } = decodeContent(finishedContent(s, id, finished));
  keepFinalRun(s, id, finished);
  s.overlay.delete(taskKey(FINISHED, id));
  s.overlay.delete(indexKey(finished.state === DEAD ? "dead" : "cancelled", id));
  const queue = s.lanes.queue(finished.queue);
  s.count(queue, finished.state, -1);
  const slot = admit(s, id, s.lanes.open(queue, finished.type), finished.content);
  table.priority[slot] = finished.priority;
  table.createdAt[slot] = finished.createdAt;
  table.startedAt[slot] = finished.startedAt;
  table.timeoutMs[slot] = timeoutMs;
  table.attempt[slot] = finished.attempt;
  table.endedToken[slot] = finished.endedToken;
  table.endedOutcome[slot] = finished.endedOutcome;
  table.requestHigh[slot] = request.high;
  table.requestLow[slot] = request.low;
  table.setPolicy(slot, finished.policy);
  place(s, slot, PENDING, 0);
}

/** The last attempt stood in the finished record, which goes. */
function keepFinalRun(s: QueueState, id: TaskId, finished: FinishedRecord): void {
  if (finished.final === undefined) return;
  const attempt = {
    number: finished.attempt,
    ...finished.final,
    token: finished.endedToken,
    startedAt: finished.startedAt,
    endedAt: finished.at,
    outcome: ATTEMPT_OUTCOMES[finished.endedOutcome]!,
    error: finished.error,
  };
  s.overlay.put(attemptKey(id, finished.attempt), encodeAttempt(attempt));
}
