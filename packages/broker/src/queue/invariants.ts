/**
 * What must hold between any two commands, recomputed the slow way: every task is in exactly one
 * place, counters equal recounts, heaps are heaps, lease lists are lists. For tests and simulation.
 */
import { assert } from "./assert.ts";
import type { SlotHeap } from "./heap.ts";
import { checkHistory } from "./invariants-history.ts";
import { checkInLine, checkLanes } from "./invariants-lanes.ts";
import { checkBlocked, checkLinks } from "./invariants-links.ts";
import { TIME_MAX } from "./limits.ts";
import { CONTENT_STORED, FREE, LISTED, NONE } from "./live-table.ts";
import { checkRunNotes } from "./notes.ts";
import type { Session } from "./sessions.ts";
import type { QueueState } from "./state.ts";
import { BLOCKED, LIVE_STATES, PENDING, RUNNING } from "./state-number.ts";

export function checkInvariants(s: QueueState): void {
  checkSlots(s);
  checkLanes(s);
  checkSessions(s);
  checkCounters(s);
  checkLinks(s);
  checkHeap(s, s.timers, () => true);
  checkExpiries(s);
  checkHistory(s);
}

function checkSlots(s: QueueState): void {
  const { table } = s;
  let live = 0;
  const listed = new Set(s.dirtySlots);
  assert(listed.size === s.dirtySlots.length, "a slot is listed as dirty twice");
  for (let slot = 0; slot < table.used; slot++) {
    assert(
      ((table.flags[slot]! & LISTED) !== 0) === listed.has(slot),
      "dirty mark and list differ",
    );
    if (table.state[slot] === FREE) continue;
    live++;
    assert(table.find(table.id(slot)) === slot, "the id table does not find a slot");
    assert(s.knownIds.mayKnow(table.id(slot)), "a live task is taken for new");
    checkPlace(s, slot);
    checkRunNotes(s, slot);
    const stored = (table.flags[slot]! & CONTENT_STORED) !== 0;
    assert(stored || table.content[slot] !== undefined, "a content is nowhere");
    assert(table.order[slot]! < s.nextOrder, "a place in line was never given");
  }
  assert(live === table.size, "the number of live tasks is wrong");
}

function checkPlace(s: QueueState, slot: number): void {
  const { table } = s;
  const state = table.state[slot]!;
  const token = table.token[slot]!;
  assert(token < s.nextToken && table.endedToken[slot]! < s.nextToken, "a token from the future");
  assert((state === RUNNING) === token > 0, "only a running task has a token");
  assert((state === RUNNING) === (table.session[slot] !== NONE), "only a running task is leased");
  const at = table.heapAt[slot]!;
  if (state === PENDING) {
    checkInLine(s, slot);
  } else if (state === BLOCKED) {
    checkBlocked(s, slot);
  } else if (state !== RUNNING) {
    assert(LIVE_STATES.includes(state), "a finished task in the live table");
    assert(s.timers.at(at) === slot && at < s.timers.size, "a waiting task has no timer");
    assert(table.timerAt[slot] === table.dueAt[slot], "a waiting task's timer is wrong");
  } else {
    checkRunTimer(s, slot);
  }
}

function checkRunTimer(s: QueueState, slot: number): void {
  const { table } = s;
  const ends: number[] = [];
  if (table.timeoutMs[slot]! > 0) ends.push(table.startedAt[slot]! + table.timeoutMs[slot]!);
  if (s.sessions.ofSlot(slot).record.lapsed) ends.push(table.extendedTo[slot]!);
  const at = table.heapAt[slot]!;
  assert((at === NONE) === (ends.length === 0), "a running task's timer is missing or too many");
  if (at === NONE) return;
  assert(s.timers.at(at) === slot, "a running task's timer is not in the heap");
  assert(table.timerAt[slot] === Math.min(...ends, TIME_MAX), "a running task's timer is wrong");
}

function checkHeap(s: QueueState, heap: SlotHeap, belongs: (slot: number) => boolean): void {
  for (let at = 0; at < heap.size; at++) {
    const slot = heap.at(at);
    assert(s.table.heapAt[slot] === at, "a heap position is wrong");
    assert(belongs(slot), "a task is in the wrong heap");
    if (at > 0) assert(!heap.isBefore(slot, heap.at((at - 1) >> 1)), "a heap is out of order");
  }
}

/** Exactly the tasks that wait and have an expiry are in the heap of those. */
function checkExpiries(s: QueueState): void {
  const { table, expiries } = s;
  let watched = 0;
  for (let slot = 0; slot < table.used; slot++) {
    if (table.state[slot] === FREE) continue;
    const waits = table.state[slot] !== RUNNING && table.expiresAt[slot]! > 0;
    const at = table.expiryAt[slot]!;
    assert((at !== NONE) === waits, "the expiry of a task is watched, and should not be, or not");
    if (waits) assert(expiries.at(at) === slot, "a task's expiry is not in the heap");
    if (waits) watched++;
  }
  assert(watched === expiries.size, "the heap of expiries has tasks too many");
  for (let at = 1; at < expiries.size; at++) {
    const inOrder = !expiries.isBefore(expiries.at(at), expiries.at((at - 1) >> 1));
    assert(inOrder, "the heap of expiries is out of order");
  }
}

function checkSessions(s: QueueState): void {
  let leased = 0;
  for (const session of s.sessions.byId.values()) leased += checkLeases(s, session);
  assert(leased === s.counts[RUNNING], "running tasks and leases differ in number");
}

function checkLeases(s: QueueState, session: Session): number {
  const { table } = s;
  let count = 0;
  let before = NONE;
  let token = 0;
  for (let slot = session.leaseFirst; slot !== NONE; slot = table.sessionNext[slot]!) {
    assert(table.session[slot] === session.number, "a lease is in another session's list");
    assert(table.sessionBefore[slot] === before, "a lease list is broken");
    assert(table.token[slot]! > token, "a lease list is not in the order of the grants");
    token = table.token[slot]!;
    before = slot;
    count++;
    assert(count <= session.leaseCount, "a lease list is longer than its count");
  }
  assert(session.leaseLast === before, "the end of a lease list is wrong");
  assert(count === session.leaseCount, "a lease list is shorter than its count");
  assert(count > 0 || !session.record.lapsed, "a lapsed session without leases is still here");
  return count;
}

function checkCounters(s: QueueState): void {
  const { table } = s;
  const recount = new Map<string, number>();
  for (let slot = 0; slot < table.used; slot++) {
    const state = table.state[slot]!;
    if (state === FREE) continue;
    const key = `${state} ${s.lanes.laneOf(slot).queue.name}`;
    recount.set(key, (recount.get(key) ?? 0) + 1);
  }
  const totals = new Float64Array(s.counts.length);
  for (const queue of s.lanes.queues.values()) {
    for (const [state, count] of queue.counts.entries()) {
      totals[state]! += count;
      assert(count >= 0, "a counter is negative");
      if (!LIVE_STATES.includes(state)) continue;
      assert(count === (recount.get(`${state} ${queue.name}`) ?? 0), "a queue's counter is wrong");
    }
  }
  for (const [state, total] of totals.entries()) {
    assert(total === s.counts[state], "a counter over all queues is wrong");
  }
}
