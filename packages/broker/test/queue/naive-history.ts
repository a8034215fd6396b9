/**
 * The naive model's opinion on the history and on what changes many tasks at once. Counts, groups
 * and indexes are not kept: they are looked up among all tasks whenever somebody asks.
 */
import { encodeContent } from "../../src/queue/codec/content.ts";
import type { Command } from "../../src/queue/command.ts";
import { errorFingerprint } from "../../src/queue/error-groups.ts";
import type { JobFilter, JobView } from "../../src/queue/job.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { TaskId, TaskState } from "../../src/queue/task.ts";
import type { ErrorGroup, HistoryFilter } from "../../src/queue/view.ts";
import type { NaiveModel } from "./naive-model.ts";
import { DAY, FINAL, hex, ok, refused, type Task } from "./naive-state.ts";

type Of<T extends Command["type"]> = Extract<Command, { readonly type: T }>;

/** A task that died, as long as others that died of the same still are dead. */
export interface Death {
  readonly fingerprint: string;
  readonly id: string;
  readonly type: string;
  readonly message: string;
  readonly at: number;
  isOver: boolean;
}

/** The task has just ended. */
export function entersHistory(model: NaiveModel, task: Task): void {
  task.endedIn = model.version;
  if (model.version < 3 || task.state !== "dead" || task.error === undefined) return;
  const { type } = task.content;
  const { message } = task.error;
  const fingerprint = errorFingerprint(type, message);
  const death = { fingerprint, id: hex(task.id), type, message, at: model.now, isOver: false };
  model.deaths.push(death);
}

/** It is started again, or deleted. */
export function leavesHistory(model: NaiveModel, task: Task): void {
  task.endedIn = 0;
  for (const death of model.deaths) if (death.id === hex(task.id)) death.isOver = true;
  const dead = new Set(model.deaths.filter(({ isOver }) => !isOver).map((at) => at.fingerprint));
  model.deaths = model.deaths.filter(({ fingerprint }) => dead.has(fingerprint));
}

export function errorGroups({ deaths }: NaiveModel): ErrorGroup[] {
  const prints = [...new Set(deaths.map(({ fingerprint }) => fingerprint))].sort();
  return prints.map((fingerprint) => {
    const all = deaths.filter((death) => death.fingerprint === fingerprint);
    return {
      fingerprint,
      type: all[0]!.type,
      message: all[0]!.message,
      count: all.filter(({ isOver }) => !isOver).length,
      firstAt: all[0]!.at,
      lastAt: all.at(-1)!.at,
    };
  });
}

/** Those that are finished, in the order of their ids. */
export function finishedTasks(model: NaiveModel): Task[] {
  const finished = model.tasks.filter((task) => !task.deleted && FINAL.includes(task.state));
  return finished.sort((a, b) => (hex(a.id) < hex(b.id) ? -1 : 1));
}

export function finishedBytes(model: NaiveModel, queue: string): number {
  let bytes = 0;
  for (const task of finishedTasks(model)) {
    if (task.queue !== queue || task.endedIn < 3 || task.state === "dead") continue;
    bytes += 128 + (task.result?.bytes.length ?? 0);
    bytes += (task.error?.message.length ?? 0) + (task.error?.stack.length ?? 0);
    if (task.madeIn >= 3) bytes += encodeContent(task.content).length;
  }
  return bytes;
}

/** The first task from an id on that a reader with this filter must not miss. */
export function nextFinished(
  model: NaiveModel,
  after: TaskId,
  filter: HistoryFilter,
): Task | undefined {
  return finishedTasks(model).find((task) => hex(task.id) >= hex(after) && passes(task, filter));
}

export function lastFinished(
  model: NaiveModel,
  before: TaskId | undefined,
  filter: HistoryFilter,
): Task | undefined {
  return finishedTasks(model).findLast((task) => {
    return (before === undefined || hex(task.id) < hex(before)) && passes(task, filter);
  });
}

function passes(task: Task, filter: HistoryFilter): boolean {
  if (filter.states !== undefined && !filter.states.includes(task.state)) return false;
  if (filter.queue !== undefined && filter.queue !== task.queue) return false;
  if (filter.type !== undefined && filter.type !== task.content.type) return false;
  if (filter.finishedFrom !== undefined && task.finishedAt < filter.finishedFrom) return false;
  return filter.finishedTo === undefined || task.finishedAt < filter.finishedTo;
}

export function startJob(model: NaiveModel, command: Of<"startJob">): Reply {
  const { type: _, ...said } = command;
  const known = model.jobs.find(({ id }) => hex(id) === hex(said.id));
  if (known !== undefined) {
    const same = { ...known, ...said };
    return flatJob(same) === flatJob(known) ? ok(undefined, true) : refused("state_conflict");
  }
  const { state } = said.filter;
  if (state !== undefined && !isFor(said.kind, state)) return refused("invalid_request");
  model.jobs.push({
    ...said,
    state: "running",
    steps: 0,
    matched: 0,
    changed: 0,
    skipped: 0,
    cursor: new Uint8Array(0),
    startedAt: model.now,
    updatedAt: model.now,
  });
  return ok(undefined);
}

export function stepJob(model: NaiveModel, command: Of<"stepJob">): Reply {
  const job = model.jobs.find(({ id }) => hex(id) === hex(command.id));
  if (job === undefined) return refused("not_found");
  if (command.tasks.length > 10) return refused("invalid_request");
  if (command.step < job.steps) return ok(undefined, true);
  if (job.state !== "running" || command.step > job.steps) return refused("state_conflict");
  const changed = command.tasks.filter((id) => changeOne(model, job, id)).length;
  replaceJob(model, {
    ...job,
    state: command.cursor.length === 0 ? "done" : "running",
    steps: job.steps + 1,
    matched: job.matched + command.tasks.length,
    changed: job.changed + changed,
    skipped: job.skipped + command.tasks.length - changed,
    cursor: command.cursor,
    updatedAt: model.now,
  });
  return ok(undefined);
}

export function cancelJob(model: NaiveModel, { id }: Of<"cancelJob">): Reply {
  const job = model.jobs.find((other) => hex(other.id) === hex(id));
  if (job === undefined) return refused("not_found");
  if (job.state === "cancelled") return ok(undefined, true);
  if (job.state === "done") return refused("state_conflict");
  replaceJob(model, { ...job, state: "cancelled", updatedAt: model.now });
  return ok(undefined);
}

export function expunge(model: NaiveModel, { what, tasks }: Of<"expunge">): Reply {
  if (tasks.length > 12) return refused("invalid_request");
  let changed = false;
  for (const { id, finishedAt } of tasks) {
    const task = model.find(id);
    if (task === undefined || task.deleted || !FINAL.includes(task.state)) continue;
    if (task.finishedAt !== finishedAt) continue;
    changed ||= what === "task" || (what === "log" ? task.lines.length > 0 : !!task.result);
    if (what === "task") model.delete(id, "nobody's");
    if (what === "result") task.result = undefined;
    if (what === "log") task.lines = [];
  }
  return ok(undefined, !changed);
}

export function forget(model: NaiveModel, command: Of<"forget">): Reply {
  const { tombstones, idempotencyKeys, uniqueKeys } = command;
  if (tombstones.length + idempotencyKeys.length + uniqueKeys.length > 16) {
    return refused("invalid_request");
  }
  for (const id of tombstones) {
    const task = model.find(id);
    if (task?.deleted && task.until <= model.now) model.forget(task);
  }
  for (const { queue, key } of idempotencyKeys) {
    const known = model.keys.get(`${queue} ${key}`);
    if (known === undefined || known.at + DAY > model.now) continue;
    const isKnown = model.tasks.some(({ id }) => hex(id) === known.id);
    if (!isKnown) model.keys.delete(`${queue} ${key}`);
  }
  return ok(undefined);
}

function changeOne(model: NaiveModel, job: JobView, id: TaskId): boolean {
  const task = model.find(id);
  if (task === undefined || task.deleted || !isFor(job.kind, task.state)) return false;
  if (!matches(task, job.filter)) return false;
  if (job.dryRun) return true;
  const request = `job ${hex(job.id)} ${job.steps}`;
  if (job.kind === "cancel") return model.cancel(id, "").code === "ok";
  if (job.kind === "delete") return model.delete(id, request).code === "ok";
  return model.retry(id, undefined).code === "ok";
}

function isFor(kind: JobView["kind"], state: TaskState): boolean {
  if (kind === "cancel") return !FINAL.includes(state);
  return FINAL.includes(state) && (kind === "delete" || state !== "completed");
}

function matches(task: Task, filter: JobFilter): boolean {
  const { content, createdAt, finishedAt } = task;
  const print = task.state === "dead" ? errorFingerprint(content.type, task.error!.message) : "";
  return (
    (filter.state ?? task.state) === task.state &&
    (filter.queue || task.queue) === task.queue &&
    (filter.type || content.type) === content.type &&
    (filter.tag === "" || content.tags.includes(filter.tag)) &&
    (filter.fingerprint || print) === print &&
    createdAt >= filter.createdFrom &&
    createdAt < (filter.createdTo || Number.POSITIVE_INFINITY) &&
    finishedAt >= filter.finishedFrom &&
    (filter.finishedTo === 0 || (finishedAt > 0 && finishedAt < filter.finishedTo))
  );
}

function replaceJob(model: NaiveModel, job: JobView): void {
  model.jobs = model.jobs.map((other) => (hex(other.id) === hex(job.id) ? job : other));
  if (job.state === "running") return;
  // The one that has ended just now is none of those that may go.
  const ended = model.jobs.filter((other) => other.state !== "running" && other !== job);
  if (ended.length < 100) return;
  ended.sort((a, b) => a.updatedAt - b.updatedAt || (hex(a.id) < hex(b.id) ? -1 : 1));
  model.jobs = model.jobs.filter((other) => other !== ended[0]);
}

function flatJob(job: JobView): string {
  return JSON.stringify({ ...job, id: hex(job.id), cursor: hex(job.cursor) });
}
