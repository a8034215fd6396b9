/** Queues as callers see them: how deep, since when, and how many tasks are in each state. */
import { type QueueJson, TqError } from "task-queue-protocol";
import { type QueueView, TASK_STATES, type TaskState } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { shown } from "./invalid.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

const UNFINISHED = ["scheduled", "blocked", "pending", "running", "retrying"] as const;

export interface QueueDetailJson extends QueueJson {
  /** Unfinished tasks: what the depth limit is compared with. */
  depth: number;
  counts: Record<TaskState, number>;
}

export async function listQueues(
  broker: Broker,
  read: ReadOptions,
): Promise<Answer<{ queues: QueueDetailJson[] }>> {
  const index = await barrier(broker, read);
  const views = [...broker.queues()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { value: { queues: views.map(queueToJson) }, index };
}

export async function getQueue(
  broker: Broker,
  name: string,
  read: ReadOptions,
): Promise<Answer<QueueDetailJson>> {
  const index = await barrier(broker, read);
  const view = broker.queues().find((queue) => queue.name === name);
  if (view !== undefined) return { value: queueToJson(view), index };
  throw new TqError("not_found", `there is no queue ${shown(name)}; its first task makes it`);
}

/** Tasks that are not finished. */
export function depthOf(counts: Readonly<Record<TaskState, number>>): number {
  return UNFINISHED.reduce((sum, state) => sum + counts[state], 0);
}

/** Every state, in the order of a task's life, even where there is none. */
export function countsToJson(
  counts: Readonly<Record<TaskState, number>>,
): Record<TaskState, number> {
  return Object.fromEntries(TASK_STATES.map((state) => [state, counts[state]])) as Record<
    TaskState,
    number
  >;
}

function queueToJson(view: QueueView): QueueDetailJson {
  const { name, counts } = view;
  const json: QueueDetailJson = { name, depth: depthOf(counts), counts: countsToJson(counts) };
  if (view.oldestPendingAt > 0) json.oldest_pending_at = formatDateTime(view.oldestPendingAt);
  return json;
}
