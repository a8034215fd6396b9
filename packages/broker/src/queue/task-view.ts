/** Full views of single tasks, from memory and, for what is not there, from point reads. */
import { assert } from "./assert.ts";
import { decodeAttempt } from "./codec/attempt-record.ts";
import { decodeContent } from "./codec/content.ts";
import type { FinishedRecord } from "./codec/finished-record.ts";
import { attemptKey } from "./keys.ts";
import { ATTEMPTS_KEPT } from "./limits.ts";
import { HAS_PROGRESS, NONE } from "./live-table.ts";
import { findFinished, finishedContent, liveContent } from "./lookup.ts";
import { readProgress } from "./notes.ts";
import type { QueueState } from "./state.ts";
import { RETRYING, RUNNING, SCHEDULED, stateName } from "./state-number.ts";
import type {
  Attempt,
  ClusterTime,
  TaskContent,
  TaskError,
  TaskId,
  TaskView,
  Token,
} from "./task.ts";
import { ATTEMPT_OUTCOMES } from "./task.ts";

export function viewTask(s: QueueState, id: TaskId): TaskView | undefined {
  const slot = s.table.find(id);
  if (slot !== NONE) return viewLive(s, slot, decodeContent(liveContent(s, slot)));
  const finished = findFinished(s, id);
  return finished === undefined ? undefined : viewFinished(s, id.slice(), finished);
}

export function viewLive(s: QueueState, slot: number, content: TaskContent): TaskView {
  const { table } = s;
  const id = table.id(slot);
  const state = table.state[slot]!;
  const attempt = table.attempt[slot]!;
  const attempts = readAttempts(s, id, attempt, state === RUNNING ? attempt - 1 : attempt);
  const error = newestError(attempts);
  if (state === RUNNING) attempts.push(runningAttempt(s, slot));
  return {
    id,
    content,
    queue: s.lanes.laneOf(slot).queue.name,
    retry: table.policy(slot),
    state: stateName(state),
    attempt,
    failures: table.failures[slot]!,
    attempts,
    lease: state === RUNNING ? viewLease(s, slot) : undefined,
    result: undefined,
    error,
    dueAt: state === SCHEDULED || state === RETRYING ? table.dueAt[slot]! : 0,
    expiresAt: table.expiresAt[slot]!,
    waitsFor: table.waitsFor[slot]!,
    progress: readProgress(s, id, (table.flags[slot]! & HAS_PROGRESS) !== 0),
    logLines: table.logLines[slot]!,
    createdAt: table.createdAt[slot]!,
    updatedAt: table.updatedAt[slot]!,
    startedAt: table.startedAt[slot]!,
    finishedAt: 0,
  };
}

/** When the running task's lease ends unless renewed or extended. */
export function leaseDeadline(s: QueueState, slot: number): ClusterTime {
  const { deadline, lapsed } = s.sessions.ofSlot(slot).record;
  const extendedTo = s.table.extendedTo[slot]!;
  return lapsed ? extendedTo : Math.max(deadline, extendedTo);
}

function viewLease(s: QueueState, slot: number): TaskView["lease"] {
  const { id, name } = s.sessions.ofSlot(slot).record;
  const token = s.table.token[slot]!;
  return { session: id, worker: name, token, deadline: leaseDeadline(s, slot) };
}

function runningAttempt(s: QueueState, slot: number): Attempt {
  const { id, name } = s.sessions.ofSlot(slot).record;
  return {
    number: s.table.attempt[slot]!,
    session: id,
    worker: name,
    token: s.table.token[slot]!,
    startedAt: s.table.startedAt[slot]!,
    endedAt: 0,
    outcome: undefined,
    error: undefined,
  };
}

function viewFinished(s: QueueState, id: TaskId, record: FinishedRecord): TaskView {
  const { attempt, final } = record;
  const ended = final === undefined ? attempt : attempt - 1;
  const attempts = readAttempts(s, id, attempt, ended);
  if (final !== undefined) {
    attempts.push({
      number: attempt,
      ...final,
      token: record.endedToken,
      startedAt: record.startedAt,
      endedAt: record.at,
      outcome: ATTEMPT_OUTCOMES[record.endedOutcome]!,
      error: record.error,
    });
  }
  return {
    id,
    content: decodeContent(finishedContent(s, id, record)),
    queue: record.queue,
    retry: record.policy,
    state: stateName(record.state),
    attempt,
    failures: record.failures,
    attempts,
    lease: undefined,
    result: record.result,
    error: record.error,
    dueAt: 0,
    expiresAt: 0,
    waitsFor: 0,
    progress: readProgress(s, id, record.hasProgress),
    logLines: record.logLines,
    createdAt: record.createdAt,
    updatedAt: record.at,
    startedAt: record.startedAt,
    finishedAt: record.at,
  };
}

/** Attempts of `newest` that are kept, up to number `last`, oldest first. */
function readAttempts(s: QueueState, id: TaskId, newest: number, last: number): Attempt[] {
  const attempts: Attempt[] = [];
  for (let number = Math.max(1, newest - ATTEMPTS_KEPT + 1); number <= last; number++) {
    const bytes = s.overlay.get(attemptKey(id, number));
    assert(bytes !== undefined, "an attempt is missing from the store");
    attempts.push(decodeAttempt(bytes, number));
  }
  return attempts;
}

function newestError(attempts: readonly Attempt[]): TaskError | undefined {
  return attempts.findLast((attempt) => attempt.error !== undefined)?.error;
}

/** Whether this token is that of a run under way, in this session. */
export function isHeld(s: QueueState, session: string, id: TaskId, token: Token): boolean {
  const slot = s.table.find(id);
  if (slot === NONE || token === 0 || s.table.token[slot] !== token) return false;
  return s.sessions.ofSlot(slot).record.id === session;
}
