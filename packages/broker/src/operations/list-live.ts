/**
 * Live tasks that pass a filter. The machine tells apart by state, queue, type and tag; the rest is
 * looked at here, in pages that are as long as the work allows, since most of such a page may go.
 */
import type { QueueMachine, TaskId } from "../queue/index.ts";
import type { ListPage } from "./broker.ts";
import { isFinishedOnly, isPlain, matchesFilter, type TaskFilter } from "./task-filter.ts";

/** Reads the contents of `workMax` tasks at most, and then says where to go on. */
export function listLive(
  queue: QueueMachine,
  filter: TaskFilter,
  after: TaskId | undefined,
  limit: number,
  workMax: number,
): ListPage {
  if (isFinishedOnly(filter)) return { tasks: [], next: undefined };
  if (isPlain(filter)) return queue.listLive(filter, after, limit, workMax);
  const page = queue.listLive(filter, after, workMax, workMax);
  const tasks = page.tasks.filter((view) => matchesFilter(filter, view));
  if (tasks.length <= limit) return { tasks, next: page.next };
  return { tasks: tasks.slice(0, limit), next: tasks[limit - 1]!.id };
}
