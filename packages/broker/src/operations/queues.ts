/**
 * Queues as callers see and change them: how deep, since when, how many tasks are in each state,
 * what an operator said of them, and whether they are paused or draining.
 */
import { type QueueJson, TqError } from "task-queue-protocol";
import {
  type ConfigureQueue,
  type QueueSettings,
  type QueueView,
  TASK_STATES,
  type TaskState,
} from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { checkName } from "./check-values.ts";
import { invalid, shown } from "./invalid.ts";
import { perform } from "./perform.ts";
import { settingsToJson } from "./queue-settings.ts";
import { readAfter } from "./read-back.ts";
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
  const now = broker.clock();
  return { value: { queues: views.map((view) => queueToJson(view, now)) }, index };
}

export async function getQueue(
  broker: Broker,
  name: string,
  read: ReadOptions,
): Promise<Answer<QueueDetailJson>> {
  const index = await barrier(broker, read);
  const view = broker.queue(name);
  if (view !== undefined) return { value: queueToJson(view, broker.clock()), index };
  throw new TqError("not_found", `there is no queue ${shown(name)}; its first task makes it`);
}

/** What is absent stays as it is. */
export interface QueueChange {
  readonly settings?: QueueSettings | undefined;
  readonly paused?: boolean | undefined;
  readonly draining?: boolean | undefined;
  /** Only if it has this revision; 0: only if nobody has said anything of it yet. */
  readonly ifRevision?: number | undefined;
}

/** Answers with the queue as it is after it; a queue that is not there is made. */
export async function configureQueue(
  broker: Broker,
  name: string,
  change: QueueChange,
): Promise<Answer<QueueDetailJson>> {
  checkName(name, "name");
  const { settings, paused, draining, ifRevision } = change;
  if (settings === undefined && paused === undefined && draining === undefined) {
    throw invalid("settings", "nothing to change; give settings, paused or draining");
  }
  if (ifRevision === 0) await checkUntouched(broker, name);
  const command: ConfigureQueue = {
    type: "configureQueue",
    queue: name,
    ifRevision: ifRevision ?? 0,
    ...(settings === undefined ? {} : { settings }),
    ...(paused === undefined ? {} : { paused }),
    ...(draining === undefined ? {} : { draining }),
  };
  const { index } = await perform(broker, command);
  const answer = await readAfter(broker, index, () => broker.queue(name));
  if (answer.value === undefined) {
    throw new TqError("not_found", "it was changed, and somebody else has deleted it since");
  }
  return { value: queueToJson(answer.value, broker.clock()), index: answer.index };
}

/** Resolves with the index at which it was gone. */
export async function deleteQueue(broker: Broker, name: string): Promise<number> {
  checkName(name, "name");
  return (await perform(broker, { type: "deleteQueue", queue: name })).index;
}

/** The machine takes revision 0 for "whatever it has", so this one is looked at beforehand. */
async function checkUntouched(broker: Broker, name: string): Promise<void> {
  await broker.readBarrier("linearizable");
  const revision = broker.queue(name)?.revision ?? 0;
  if (revision === 0) return;
  const message = `the queue has revision ${revision} by now; look at it again and change that`;
  throw new TqError("state_conflict", message);
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

function queueToJson(view: QueueView, now: number): QueueDetailJson {
  const { name, counts, oldestPendingAt } = view;
  return {
    name,
    depth: depthOf(counts),
    counts: countsToJson(counts),
    ...(oldestPendingAt === 0
      ? {}
      : {
          oldest_pending_at: formatDateTime(oldestPendingAt),
          oldest_pending_age_ms: Math.max(0, now - oldestPendingAt),
        }),
    paused: view.paused,
    draining: view.draining,
    running: view.running,
    finished_bytes: view.finishedBytes,
    revision: view.revision,
    settings: settingsToJson(view.settings),
  };
}
