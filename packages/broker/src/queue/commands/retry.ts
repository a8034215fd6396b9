/**
 * `retry`: a dead, cancelled or expired task begins anew at the end of the line, with its attempts
 * on record and its whole retry budget, and without an expiry. The request's fingerprint stays with
 * the task, so that a late copy of the request does not restart it again.
 */
import { changedTo, conflict, NO_TASK, refuse, repeatedIn } from "../answers.ts";
import { encodeAttempt } from "../codec/attempt-record.ts";
import { decodeContent } from "../codec/content.ts";
import type { FinishedRecord } from "../codec/finished-record.ts";
import type { Retry } from "../command.ts";
import { type Fingerprint, fingerprint } from "../fingerprint.ts";
import { leaveHistory } from "../history-index.ts";
import { attemptKey, FINISHED, taskKey } from "../keys.ts";
import { GROUPS_MAX, LANES_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished, finishedContent } from "../lookup.ts";
import { restoreRunNotes } from "../notes.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { COMPLETED, PENDING } from "../state-number.ts";
import type { TaskContent, TaskId } from "../task.ts";
import { ATTEMPT_OUTCOMES } from "../task.ts";
import { admit, place } from "../transitions.ts";
import { joinGroup } from "../turns.ts";
import { reclaimUnique } from "../unique.ts";

const TOO_MANY_LANES = refuse(
  "overloaded",
  `There are unfinished tasks of ${LANES_MAX} pairs of queue and type already.`,
);

const TOO_MANY_GROUPS = refuse(
  "overloaded",
  `There are unfinished tasks of ${GROUPS_MAX} groups already.`,
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
  return same ? repeatedIn(finished.state) : retryFinished(s, id, finished, request);
}

/** The task has ended, and is no task that this request has restarted. */
export function retryFinished(
  s: QueueState,
  id: TaskId,
  finished: FinishedRecord,
  request: Fingerprint,
): Reply {
  if (finished.state === COMPLETED) return conflict(COMPLETED, "retried");
  const queue = s.lanes.queue(finished.queue);
  const content = decodeContent(finishedContent(s, id, finished));
  if (!s.lanes.hasRoomFor(queue, content)) return TOO_MANY_LANES;
  if (!s.lanes.groups.hasRoomFor(queue, content.group)) return TOO_MANY_GROUPS;
  const taken = reclaimUnique(s, id, content, finished.queue);
  if (taken !== undefined) return taken;
  restart(s, id, finished, content, request);
  return changedTo(PENDING);
}

function restart(
  s: QueueState,
  id: TaskId,
  finished: FinishedRecord,
  content: TaskContent,
  request: Fingerprint,
): void {
  const { table } = s;
  keepFinalRun(s, id, finished);
  leaveHistory(s, id, finished);
  s.overlay.delete(taskKey(FINISHED, id));
  const queue = s.lanes.queue(finished.queue);
  s.count(queue, finished.state, -1);
  const slot = admit(s, id, s.lanes.open(queue, content), finished.content);
  joinGroup(s, slot, content.group);
  table.priority[slot] = finished.priority;
  table.createdAt[slot] = finished.createdAt;
  table.startedAt[slot] = finished.startedAt;
  table.timeoutMs[slot] = content.timeoutMs;
  table.contentBytes[slot] = finished.contentBytes;
  table.attempt[slot] = finished.attempt;
  table.endedToken[slot] = finished.endedToken;
  table.endedOutcome[slot] = finished.endedOutcome;
  table.requestHigh[slot] = request.high;
  table.requestLow[slot] = request.low;
  table.setPolicy(slot, finished.policy);
  restoreRunNotes(s, slot, finished);
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
