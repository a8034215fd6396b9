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
import { perform, performAsSeen } from "./perform.ts";
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
  const toCommand = (revision: number): ConfigureQueue => ({
    type: "configureQueue",
    queue: name,
    ifRevision: revision,
    ...(settings === undefined ? {} : { settings }),
    ...(paused === undefined ? {} : { paused }),
    ...(draining === undefined ? {} : { draining }),
  });
  const { index } = await (ifRevision === undefined
    ? performAsSeen(broker, () => revisionOf(broker, name), toCommand)
    : perform(broker, toCommand(ifRevision)));
  const answer = await readAfter(broker, index, () => broker.queue(name));
  if (answer.value === undefined) {
    throw new TqError("not_found", "it was changed, and somebody else has deleted it since");
  }
  return { value: queueToJson(answer.value, broker.clock()), index: answer.index };
}

/** Resolves with the index at which it was gone. */
export async function deleteQueue(
  broker: Broker,
  name: string,
  ifRevision?: number,
): Promise<number> {
  checkName(name, "name");
  const toCommand = (revision: number) => {
    return { type: "deleteQueue", queue: name, ifRevision: revision } as const;
  };
  const { index } = await (ifRevision === undefined
    ? performAsSeen(broker, () => revisionOf(broker, name), toCommand)
    : perform(broker, toCommand(ifRevision)));
  return index;
}

/**
 * That of now, for who does not care: a copy of his command that comes after somebody else's change
 * then finds another one, and undoes nothing.
 */
async function revisionOf(broker: Broker, name: string): Promise<number> {
  await broker.readBarrier("linearizable");
  return broker.queue(name)?.revision ?? 0;
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

export function queueToJson(view: QueueView, now: number): QueueDetailJson {
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
