/**
 * Dependencies: what a blocked task waits for, and what it hears when a parent ends.
 *
 * A task is `blocked` as long as it waits for a parent, or its end is decided and not yet carried
 * out: its fate. A parent's end frees or dooms its children and ends none of them, so that one
 * command never runs down a whole tree: a doomed child is due at once, the next `wake` ends it, and
 * that in turn dooms its own children.
 *
 * On record are the parents that a task had to wait for at its submit. Which of them it waits for
 * still follows: those that are live and stand before it in line, for a task that was started
 * again since has a new place, behind all that had waited for it.
 */
import { assert } from "./assert.ts";
import type { Culprit, ParentRecord } from "./codec/parent-record.ts";
import { encodeCulprit, encodeParents } from "./codec/parent-record.ts";
import { INDEX_VALUE } from "./codec/small-records.ts";
import type { NewTask } from "./command.ts";
import { CULPRIT, edgeKey, PARENTS, taskKey } from "./keys.ts";
import { NONE } from "./live-table.ts";
import type { ParentLookup } from "./parent-lookup.ts";
import type { QueueState } from "./state.ts";
import { CANCELLED, COMPLETED, DEAD } from "./state-number.ts";
import type { TaskContent, TaskId } from "./task.ts";
import { PARENT_FAILURES } from "./task.ts";

/** What a blocked task is to become as soon as time allows; the position is the stored number. */
const FATES = [NONE, DEAD, CANCELLED] as const;

const FAIL = PARENT_FAILURES.indexOf("fail");
const CONTINUE = PARENT_FAILURES.indexOf("continue");
const NO_SLOTS: readonly number[] = [];

/**
 * Ties a new task to its parents, after `checkParents` has found nothing against it and before it
 * is placed. True = it begins as blocked.
 */
export function linkParents(
  s: QueueState,
  slot: number,
  { id, content, ended }: NewTask,
  lookup: ParentLookup,
): boolean {
  const onFailure = PARENT_FAILURES.indexOf(content.onParentFailure);
  const known = new Set(ended);
  const parents: TaskId[] = [];
  for (const [at, parent] of content.dependsOn.entries()) {
    s.overlay.put(edgeKey(parent, id), INDEX_VALUE);
    if (known.has(at)) continue;
    const found = lookup.hasCompleted(parent) ? NONE : s.table.find(parent);
    if (found === NONE) {
      // Once its fate is clear, nobody has looked at the parents after that.
      if (s.table.fate[slot] !== 0) continue;
      const state = lookup.endOf(parent);
      assert(state !== undefined, "a parent has gone since it was looked up");
      hear(s, slot, onFailure, { id: parent.slice(), state });
    } else if (s.links.newestChild(found) !== slot) {
      s.links.add(found, slot, onFailure);
      parents.push(parent);
    }
  }
  const isBlocked = s.table.waitsFor[slot]! > 0 || s.table.fate[slot]! > 0;
  if (isBlocked) s.overlay.put(taskKey(PARENTS, id), encodeParents({ onFailure, parents }));
  return isBlocked;
}

/**
 * The task has ended, in this state, and still has its slot: its children hear of it. Returns those
 * that wait for nothing any more, in the order of their submits.
 */
export function parentEnds(s: QueueState, slot: number, state: number): readonly number[] {
  const { table, links } = s;
  if (table.firstChild[slot] === NONE) return NO_SLOTS;
  const freed: number[] = [];
  const end = { id: table.id(slot), state };
  for (;;) {
    const link = table.firstChild[slot]!;
    if (link === NONE) return freed;
    const child = links.child[link]!;
    const onFailure = links.onFailure[link]!;
    links.remove(link);
    s.touch(child);
    hear(s, child, onFailure, end);
    if (table.waitsFor[child] === 0 && table.fate[child] === 0) freed.push(child);
  }
}

/** The task is about to leave the table, or is blocked no more: it waits for nobody. */
export function unlink(s: QueueState, slot: number): void {
  const { table } = s;
  const isDoomed = table.fate[slot]! > 0;
  if (table.firstParent[slot] === NONE && !isDoomed) return;
  while (table.firstParent[slot] !== NONE) s.links.remove(table.firstParent[slot]!);
  forget(s, slot);
  if (!isDoomed) return;
  table.fate[slot] = 0;
  s.doomed.delete(slot);
  s.overlay.delete(taskKey(CULPRIT, table.id(slot)));
}

/** It waits for nobody any more, of itself: what was on record of that goes. */
export function forget(s: QueueState, slot: number): void {
  s.overlay.delete(taskKey(PARENTS, s.table.id(slot)));
}

/** The state in which a doomed task is to end, and the parent to blame. */
export function fateOf(s: QueueState, slot: number): Culprit & { readonly end: number } {
  const culprit = s.doomed.get(slot);
  assert(culprit !== undefined, "this task has no fate");
  return { ...culprit, end: FATES[s.table.fate[slot]!]! };
}

/** The records of its place in the graph go together with the task's own. */
export function removeEdges(s: QueueState, id: TaskId, content: TaskContent): void {
  for (const parent of content.dependsOn) s.overlay.delete(edgeKey(parent, id));
}

/** After a boot, when all tasks are in: in the order of the submits, as at first. */
export function relink(s: QueueState, slot: number, record: ParentRecord): void {
  const { table } = s;
  const waitsFor = table.waitsFor[slot]!;
  table.waitsFor[slot] = 0;
  for (const id of record.parents) {
    const parent = table.find(id);
    if (parent === NONE || table.order[parent]! > table.order[slot]!) continue;
    s.links.add(parent, slot, record.onFailure);
  }
  assert(table.waitsFor[slot] === waitsFor, "the parents of a blocked task are not in the store");
}

/** Whether what is said of a blocked task is there: its parents, and the one to blame. */
export function isTied(s: QueueState, slot: number): boolean {
  const { table } = s;
  const isDoomed = table.fate[slot]! > 0;
  const waits = table.firstParent[slot] !== NONE;
  if (waits !== table.waitsFor[slot]! > 0 || isDoomed !== s.doomed.has(slot)) return false;
  return waits || isDoomed;
}

/** What a child makes of a parent's end. The first one that fails it decides. */
function hear(s: QueueState, child: number, onFailure: number, end: Culprit): void {
  const { table } = s;
  if (end.state === COMPLETED || onFailure === CONTINUE || table.fate[child]! > 0) return;
  table.fate[child] = FATES.indexOf(onFailure === FAIL ? DEAD : CANCELLED);
  table.dueAt[child] = s.clock;
  table.timerAt[child] = s.clock;
  s.timers.push(child);
  s.doomed.set(child, end);
  s.overlay.put(taskKey(CULPRIT, table.id(child)), encodeCulprit(end));
}
