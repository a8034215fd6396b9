/**
 * The moves a task can make. Each takes it out of one place and puts it into exactly one other,
 * with its counters, its timer, its dirty mark, the effect hash and the events; nothing else in
 * this folder changes a task's state. They check nothing about the caller: commands validate
 * first.
 */
import { assert } from "./assert.ts";
import { encodeAttempt } from "./codec/attempt-record.ts";
import type { Ending, FinalRun } from "./codec/finished-record.ts";
import { encodeFinished } from "./codec/finished-record.ts";
import { deadLetterLane, moveToDeadLetters } from "./dead-letters.ts";
import { hasExpired, unwatchExpiry, watchExpiry } from "./expiry.ts";
import { enterHistory } from "./history-index.ts";
import { attemptKey, FINISHED, LIVE, namedKey, SESSION, taskKey } from "./keys.ts";
import type { Lane } from "./lane.ts";
import { ATTEMPTS_KEPT, DELIVERY_LIMIT, TIME_MAX } from "./limits.ts";
import { forget, parentEnds, unlink } from "./links.ts";
import { CONTENT_STORED, FREE, NONE, STORED } from "./live-table.ts";
import { retryDelayMs } from "./retry-delay.ts";
import type { Session } from "./sessions.ts";
import type { QueueState } from "./state.ts";
import {
  BLOCKED,
  DEAD,
  EXPIRED,
  PENDING,
  RETRYING,
  RUNNING,
  SCHEDULED,
  stateName,
} from "./state-number.ts";
import type { AttemptOutcome, ClusterTime, TaskError, TaskId } from "./task.ts";
import { ATTEMPT_OUTCOMES } from "./task.ts";
import { leaveGroup, runBegins, runEnds } from "./turns.ts";

const FOREVER = Number.POSITIVE_INFINITY;

/** A slot for a task that is about to be placed; the caller fills the columns of its own. */
export function admit(s: QueueState, id: TaskId, lane: Lane, content: Uint8Array | undefined) {
  const { table } = s;
  const slot = table.add(id);
  s.knownIds.add(id);
  s.lanes.enter(lane);
  table.lane[slot] = lane.number;
  table.order[slot] = s.nextOrder++;
  table.content[slot] = content;
  if (content === undefined) table.flags[slot]! |= CONTENT_STORED;
  return slot;
}

/** First place of a new or restarted task. `dueAt` in the future = scheduled. */
export function place(s: QueueState, slot: number, state: number, dueAt: ClusterTime): void {
  if (state === PENDING) becomePending(s, slot);
  else if (state === BLOCKED) becomeBlocked(s, slot, dueAt);
  else becomeWaiting(s, slot, state, dueAt);
}

/** In line at its old place, out of every other place before. */
export function becomePending(s: QueueState, slot: number): void {
  s.table.dueAt[slot] = 0;
  setState(s, slot, PENDING, s.table.endedToken[slot]!);
  watchExpiry(s, slot);
  s.events.push(s.lanes.addReady(slot).readyEvent);
}

/** Scheduled or retrying: pending again when a wake comes at or after `dueAt`. */
export function becomeWaiting(s: QueueState, slot: number, state: number, dueAt: number): void {
  s.table.dueAt[slot] = dueAt;
  s.table.timerAt[slot] = dueAt;
  setState(s, slot, state, s.table.endedToken[slot]!);
  watchExpiry(s, slot);
  s.timers.push(slot);
}

/** Waits for its parents, and then until `dueAt`; a doomed one is among the timers already. */
function becomeBlocked(s: QueueState, slot: number, dueAt: ClusterTime): void {
  if (s.table.fate[slot] === 0) s.table.dueAt[slot] = dueAt > s.clock ? dueAt : 0;
  setState(s, slot, BLOCKED, s.table.endedToken[slot]!);
  watchExpiry(s, slot);
}

/** A blocked task waits for nobody any more. */
function unblock(s: QueueState, slot: number): void {
  forget(s, slot);
  const dueAt = s.table.dueAt[slot]!;
  if (dueAt > s.clock) becomeWaiting(s, slot, SCHEDULED, dueAt);
  else becomePending(s, slot);
}

/** Takes a task that does not run out of its heap; a blocked one is in none before it is doomed. */
export function withdraw(s: QueueState, slot: number): void {
  if (s.table.state[slot] === PENDING) s.lanes.removeReady(slot);
  else if (s.table.heapAt[slot] !== NONE) s.timers.remove(slot);
}

/** Gives a pending task to a session. */
export function grant(s: QueueState, slot: number, session: Session): number {
  const { table } = s;
  const token = s.nextToken++;
  assert(token <= Number.MAX_SAFE_INTEGER, "tokens are used up");
  s.lanes.removeReady(slot);
  const attempt = ++table.attempt[slot]!;
  table.deliveries[slot]!++;
  table.startedAt[slot] = s.clock;
  table.extendedTo[slot] = 0;
  table.token[slot] = token;
  s.sessions.addLease(session, slot);
  unwatchExpiry(s, slot);
  setState(s, slot, RUNNING, token);
  runBegins(s, slot);
  setRunTimer(s, slot);
  const id = table.id(slot);
  if (attempt > ATTEMPTS_KEPT) s.overlay.delete(attemptKey(id, attempt - ATTEMPTS_KEPT));
  s.events.push({ type: "leased", session: session.record.id, slot, id, token });
  return token;
}

/**
 * When a run ends without a word from its worker: at its timeout, or, once its session is gone,
 * at the end of its own extension. To be called when either changes.
 */
export function setRunTimer(s: QueueState, slot: number): void {
  const { table } = s;
  const at = Math.min(timeoutAt(s, slot), extensionEnd(s, slot));
  if (table.heapAt[slot] === NONE) {
    if (at === FOREVER) return;
    table.timerAt[slot] = at;
    s.timers.push(slot);
  } else if (at === FOREVER) {
    s.timers.remove(slot);
  } else {
    table.timerAt[slot] = at;
    s.timers.moved(slot);
  }
}

/** When the run has taken too long; Infinity = never. */
export function timeoutAt(s: QueueState, slot: number): number {
  const timeoutMs = s.table.timeoutMs[slot]!;
  return timeoutMs === 0 ? FOREVER : Math.min(s.table.startedAt[slot]! + timeoutMs, TIME_MAX);
}

/** A waiting task has not begun to run in time. */
export function expire(s: QueueState, slot: number): void {
  withdraw(s, slot);
  const nothing = { final: undefined, error: undefined, result: undefined };
  finish(s, slot, { state: EXPIRED, at: s.clock, ...nothing });
}

/**
 * A run failed: the next attempt waits, or the task is dead, or its time is over. Returns its
 * state.
 */
export function failRun(
  s: QueueState,
  slot: number,
  outcome: "failed" | "timeout",
  error: TaskError,
  retry: { readonly allowed: boolean; readonly afterMs: number },
): number {
  const { table } = s;
  const run = endRun(s, slot, outcome);
  const failures = ++table.failures[slot]!;
  if (!retry.allowed || failures > table.policy(slot).maxRetries) {
    return giveUp(s, slot, run, outcome, error);
  }
  if (hasExpired(s, slot)) {
    finish(s, slot, { state: EXPIRED, at: s.clock, final: run, error, result: undefined });
    return EXPIRED;
  }
  const id = table.id(slot);
  const attempt = table.attempt[slot]!;
  keepAttempt(s, slot, run, outcome, error);
  const delayMs = Math.max(retryDelayMs(table.policy(slot), failures, id, attempt), retry.afterMs);
  const dueAt = s.after(delayMs);
  if (dueAt > s.clock) becomeWaiting(s, slot, RETRYING, dueAt);
  else becomePending(s, slot);
  s.feed.retried(s.lanes.laneOf(slot));
  return table.state[slot]!;
}

/** A lease ran out: back in line without using a retry, unless it happened too often. */
export function lapseRun(s: QueueState, slot: number): void {
  const deliveries = s.table.deliveries[slot]!;
  loseLease(s, slot, "lapsed");
  const run = endRun(s, slot, "lapsed");
  if (deliveries < DELIVERY_LIMIT) {
    keepAttempt(s, slot, run, "lapsed", undefined);
    becomePending(s, slot);
    return;
  }
  const message = `delivered ${deliveries} times, and the last worker vanished without a report`;
  giveUp(s, slot, run, "lapsed", { message, stack: "" });
}

/** The last run that the task had has ended: it goes on as a dead letter, or is dead. */
function giveUp(
  s: QueueState,
  slot: number,
  run: FinalRun,
  outcome: AttemptOutcome,
  error: TaskError,
): number {
  const lane = deadLetterLane(s, slot);
  if (lane === undefined) {
    finish(s, slot, { state: DEAD, at: s.clock, final: run, error, result: undefined });
    return DEAD;
  }
  keepAttempt(s, slot, run, outcome, error);
  moveToDeadLetters(s, slot, lane);
  becomePending(s, slot);
  return PENDING;
}

/**
 * A worker gave the task back, or an operator took it: as if it had never been delivered, but for
 * the attempt on record.
 */
export function releaseRun(s: QueueState, slot: number): void {
  const run = endRun(s, slot, "released");
  s.table.deliveries[slot]!--;
  keepAttempt(s, slot, run, "released", undefined);
  becomePending(s, slot);
}

/** Tells the worker, through its event, that somebody else ended its run. */
export function loseLease(
  s: QueueState,
  slot: number,
  reason: "cancelled" | "timeout" | "lapsed",
): void {
  const session = s.sessions.ofSlot(slot).record.id;
  const token = s.table.token[slot]!;
  s.events.push({ type: "leaseLost", session, id: s.table.id(slot), token, reason });
}

/** Ends the lease of a running task, which must be placed or finished right after. */
export function endRun(s: QueueState, slot: number, outcome: AttemptOutcome): FinalRun {
  const { table } = s;
  if (table.heapAt[slot] !== NONE) s.timers.remove(slot);
  runEnds(s, slot);
  if (outcome !== "completed" && outcome !== "cancelled") {
    s.feed.runEnded(table, slot, s.lanes.laneOf(slot), outcome, s.clock);
  }
  const session = s.sessions.removeLease(slot);
  table.endedToken[slot] = table.token[slot]!;
  table.endedOutcome[slot] = ATTEMPT_OUTCOMES.indexOf(outcome);
  table.token[slot] = 0;
  table.extendedTo[slot] = 0;
  const { id, name, lapsed } = session.record;
  const isBad = outcome === "failed" || outcome === "timeout" || outcome === "lapsed";
  if (isBad) s.feed.workerFailed(name, s.lanes.laneOf(slot));
  if (lapsed && session.leaseCount === 0) dropSession(s, session);
  return { session: id, worker: name };
}

/** Takes a task, out of every heap by now, from the live to the finished. */
export function finish(s: QueueState, slot: number, ending: Ending): void {
  const { table } = s;
  const lane = s.lanes.laneOf(slot);
  const flags = table.flags[slot]!;
  const content = (flags & CONTENT_STORED) === 0 ? table.content[slot] : undefined;
  const id = table.id(slot);
  setState(s, slot, ending.state, table.endedToken[slot]!);
  const record = encodeFinished(table, slot, lane, ending, content, s.version);
  s.overlay.put(taskKey(FINISHED, id), record);
  enterHistory(s, slot, id, ending);
  unwatchExpiry(s, slot);
  const freed = parentEnds(s, slot, ending.state);
  unlink(s, slot);
  if ((flags & STORED) !== 0) s.overlay.delete(taskKey(LIVE, id));
  s.lanes.leave(lane);
  leaveGroup(s, slot);
  table.remove(slot);
  s.events.push({ type: "finished", id, state: stateName(ending.state) });
  for (const child of freed) unblock(s, child);
}

/** Forgets a session that holds no lease. */
export function dropSession(s: QueueState, session: Session): void {
  assert(session.leaseCount === 0, "a session with leases cannot go");
  s.sessions.remove(session);
  s.dirtySessions.delete(session);
  s.overlay.delete(namedKey(SESSION, session.record.id));
}

/** Puts the attempt that just ended on record; the newest are kept, `grant` drops the oldest. */
function keepAttempt(
  s: QueueState,
  slot: number,
  run: FinalRun,
  outcome: AttemptOutcome,
  error: TaskError | undefined,
): void {
  const { table } = s;
  const number = table.attempt[slot]!;
  const attempt = {
    number,
    session: run.session,
    worker: run.worker,
    token: table.endedToken[slot]!,
    startedAt: table.startedAt[slot]!,
    endedAt: s.clock,
    outcome,
    error,
  };
  s.overlay.put(attemptKey(table.id(slot), number), encodeAttempt(attempt));
}

function extensionEnd(s: QueueState, slot: number): number {
  return s.sessions.ofSlot(slot).record.lapsed ? s.table.extendedTo[slot]! : FOREVER;
}

function setState(s: QueueState, slot: number, state: number, token: number): void {
  const { table } = s;
  const before = table.state[slot]!;
  const lane = s.lanes.laneOf(slot);
  if (before !== state) {
    if (before !== FREE) s.count(lane.queue, before, -1);
    s.count(lane.queue, state, 1);
    table.state[slot] = state;
  }
  table.updatedAt[slot] = s.clock;
  s.feed.moved(table, slot, lane, before, s.clock);
  s.hash.transition(table, slot, state, token);
  s.touch(slot);
}
