/**
 * Lists of live tasks in id order. The table has no order, so a page is the smallest ids beyond
 * the cursor, chosen in one pass over the typed arrays (some ten milliseconds for a million
 * tasks); only the chosen ones are read in full.
 */
import { decodeContent } from "./codec/content.ts";
import { FREE, type LiveTable, wordAt } from "./live-table.ts";
import { liveContent } from "./lookup.ts";
import type { QueueState } from "./state.ts";
import type { TaskId, TaskView } from "./task.ts";
import { TASK_STATES } from "./task.ts";
import { viewLive } from "./task-view.ts";
import type { LiveFilter, LivePage } from "./view.ts";

/**
 * A page of up to `limit` tasks; reads the contents of `workMax` tasks at most, to look for a
 * tag.
 */
export function listLive(
  s: QueueState,
  filter: LiveFilter,
  after: TaskId | undefined,
  limit: number,
  workMax: number,
): LivePage {
  const size = Math.max(1, filter.tag === undefined ? Math.min(limit, workMax) : workMax);
  const { slots, isAll } = smallest(s, filter, after, size);
  const tasks: TaskView[] = [];
  for (const [at, slot] of slots.entries()) {
    const content = decodeContent(liveContent(s, slot));
    if (filter.tag === undefined || content.tags.includes(filter.tag)) {
      tasks.push(viewLive(s, slot, content));
    }
    const isLast = isAll && at === slots.length - 1;
    if (tasks.length === limit && !isLast) return { tasks, next: s.table.id(slot) };
  }
  const last = slots.at(-1);
  return { tasks, next: isAll || last === undefined ? undefined : s.table.id(last) };
}

interface Chosen {
  /** In id order. */
  readonly slots: number[];
  /** Nothing that matches comes after them. */
  readonly isAll: boolean;
}

function smallest(
  s: QueueState,
  filter: LiveFilter,
  after: TaskId | undefined,
  size: number,
): Chosen {
  const { table } = s;
  const matches = matcher(s, filter);
  const from = after === undefined ? undefined : [0, 4, 8, 12].map((at) => wordAt(after, at));
  const chosen: number[] = [];
  let isAll = true;
  for (let slot = 0; slot < table.used; slot++) {
    if (table.state[slot] === FREE || !matches(slot)) continue;
    if (from !== undefined && table.compareId(slot, from, 0) <= 0) continue;
    if (chosen.length < size) {
      chosen.push(slot);
      rise(table, chosen);
      continue;
    }
    isAll = false;
    if (table.compareSlots(slot, chosen[0]!) >= 0) continue;
    chosen[0] = slot;
    sink(table, chosen);
  }
  return { slots: chosen.sort((a, b) => table.compareSlots(a, b)), isAll };
}

/** By state, queue and type; a look at the table, not at the content. */
function matcher(s: QueueState, { state, queue, type }: LiveFilter): (slot: number) => boolean {
  const number = state === undefined ? undefined : TASK_STATES.indexOf(state);
  const byLane = queue !== undefined || type !== undefined;
  return (slot) => {
    if (number !== undefined && s.table.state[slot] !== number) return false;
    if (!byLane) return true;
    const lane = s.lanes.laneOf(slot);
    if (queue !== undefined && lane.queue.name !== queue) return false;
    return type === undefined || lane.type === type;
  };
}

/** The last member of a heap whose first is the largest id goes up to its place. */
function rise(table: LiveTable, heap: number[]): void {
  let at = heap.length - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (table.compareSlots(heap[at]!, heap[above]!) <= 0) return;
    swap(heap, at, above);
    at = above;
  }
}

function sink(table: LiveTable, heap: number[]): void {
  let at = 0;
  for (;;) {
    let below = at * 2 + 1;
    if (below >= heap.length) return;
    const right = below + 1;
    if (right < heap.length && table.compareSlots(heap[right]!, heap[below]!) > 0) below = right;
    if (table.compareSlots(heap[at]!, heap[below]!) >= 0) return;
    swap(heap, at, below);
    at = below;
  }
}

function swap(heap: number[], a: number, b: number): void {
  const slot = heap[a]!;
  heap[a] = heap[b]!;
  heap[b] = slot;
}
