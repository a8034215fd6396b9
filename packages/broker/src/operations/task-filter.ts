/**
 * Which tasks a list or a job is after, and whether a task is one of them. Undefined members do not
 * filter. What a reader can tell beforehand, it may leave out; here all of it is looked at.
 */
import {
  errorFingerprint,
  type HistoryFilter,
  type LiveFilter,
  type TaskState,
  type TaskView,
} from "../queue/index.ts";

export interface TaskFilter extends LiveFilter {
  readonly group?: string | undefined;
  /** When it was submitted, and when it ended; half open. */
  readonly createdFrom?: number | undefined;
  readonly createdTo?: number | undefined;
  readonly finishedFrom?: number | undefined;
  readonly finishedTo?: number | undefined;
  /** Fingerprint of the error that a dead task died of. */
  readonly error?: string | undefined;
}

export const FINISHED_STATES: ReadonlySet<TaskState> = new Set<TaskState>([
  "completed",
  "dead",
  "cancelled",
  "expired",
]);

export function matchesFilter(filter: TaskFilter, view: TaskView): boolean {
  const { state, queue, type, tag, group, error } = filter;
  if (state !== undefined && state !== view.state) return false;
  if (queue !== undefined && queue !== view.queue) return false;
  if (type !== undefined && type !== view.content.type) return false;
  if (tag !== undefined && !view.content.tags.includes(tag)) return false;
  if (group !== undefined && group !== view.content.group) return false;
  if (!isWithin(view.createdAt, filter.createdFrom, filter.createdTo)) return false;
  if (filter.finishedFrom !== undefined || filter.finishedTo !== undefined) {
    if (view.finishedAt === 0) return false;
    if (!isWithin(view.finishedAt, filter.finishedFrom, filter.finishedTo)) return false;
  }
  return error === undefined || error === fingerprintOf(view);
}

/** No live task can pass. */
export function isFinishedOnly({ state, finishedFrom, finishedTo, error }: TaskFilter): boolean {
  if (state !== undefined && FINISHED_STATES.has(state)) return true;
  return finishedFrom !== undefined || finishedTo !== undefined || error !== undefined;
}

/** The queue machine knows all there is to know of a live task that passes. */
export function isPlain(filter: TaskFilter): boolean {
  const { group, createdFrom, createdTo } = filter;
  return group === undefined && createdFrom === undefined && createdTo === undefined;
}

/** What the summaries of the history are asked for. */
export function toHistoryFilter(filter: TaskFilter): HistoryFilter {
  const { state, queue, type, finishedFrom, finishedTo } = filter;
  return {
    states: state === undefined ? undefined : [state],
    queue,
    type,
    finishedFrom,
    finishedTo,
  };
}

function fingerprintOf({ state, content, error }: TaskView): string | undefined {
  if (state !== "dead" || error === undefined) return undefined;
  return errorFingerprint(content.type, error.message);
}

export function isWithin(at: number, from = 0, to = Number.POSITIVE_INFINITY): boolean {
  return at >= from && at < to;
}
