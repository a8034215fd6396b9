/** Views of queues, sessions and their leases. */

import type { Line } from "./line.ts";
import { NONE } from "./live-table.ts";
import type { Queue } from "./queue.ts";
import type { Session } from "./sessions.ts";
import type { QueueState } from "./state.ts";
import type { ClusterTime, TaskState } from "./task.ts";
import { PRIORITIES, TASK_STATES } from "./task.ts";
import { leaseDeadline } from "./task-view.ts";
import type { LeaseView, QueueView, SessionView, StateCounts, Totals } from "./view.ts";

export function viewCounts(counts: Float64Array): StateCounts {
  const view: Partial<Record<TaskState, number>> = {};
  for (const [state, name] of TASK_STATES.entries()) view[name] = counts[state]!;
  return view as StateCounts;
}

export function viewQueue(s: QueueState, queue: Queue): QueueView {
  return {
    name: queue.name,
    counts: viewCounts(queue.counts),
    ...pendingOf(s, queue),
    settings: queue.settings,
    revision: queue.revision,
    paused: queue.paused,
    draining: queue.draining,
    running: queue.running,
    finishedBytes: queue.finishedBytes,
  };
}

export function viewTotals({ nextOrder, nextToken, table }: QueueState): Totals {
  const entered = nextOrder - 1;
  return { entered, ended: entered - table.size, runs: nextToken - 1 };
}

export function viewSession({ record, leaseCount }: Session): SessionView {
  const { secret: _, ...shown } = record;
  return { ...shown, running: leaseCount };
}

export function viewLeases(s: QueueState, session: Session): LeaseView[] {
  const { table } = s;
  const leases: LeaseView[] = [];
  for (let slot = session.leaseFirst; slot !== NONE; slot = table.sessionNext[slot]!) {
    const token = table.token[slot]!;
    leases.push({ slot, id: table.id(slot), token, deadline: leaseDeadline(s, slot) });
  }
  return leases;
}

/**
 * The first in line of each lane, group and priority waits longest there, but for tasks that came
 * back.
 */
function pendingOf(s: QueueState, queue: Queue) {
  let oldestPendingAt: ClusterTime = 0;
  const pendingByPriority = PRIORITIES.map(() => 0);
  for (const line of linesOf(queue)) {
    for (let priority = 0; priority < PRIORITIES.length; priority++) {
      const heap = line.heap(priority);
      if (heap === undefined || heap.top === NONE) continue;
      pendingByPriority[priority]! += heap.size;
      const since = s.table.updatedAt[heap.top]!;
      if (oldestPendingAt === 0 || since < oldestPendingAt) oldestPendingAt = since;
    }
  }
  return { oldestPendingAt, pendingByPriority };
}

function* linesOf(queue: Queue): Generator<Line, void> {
  for (const lane of queue.lanes.values()) if (lane.plain.count > 0) yield lane.plain;
  for (const group of queue.groups.values()) yield* group.lines.values();
}
