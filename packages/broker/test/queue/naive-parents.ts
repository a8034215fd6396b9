/**
 * The naive model's opinion on dependencies: each blocked task has a list of what it waits for, and
 * whoever ends looks through all tasks for those that name it.
 */
import type { NewTask } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { TaskId } from "../../src/queue/task.ts";
import type { NaiveModel } from "./naive-model.ts";
import { FINAL, hex, refused, type Task } from "./naive-state.ts";

/** What the command that makes the task does beside. */
export interface Beside {
  /** Ids of tasks that it makes before this one. */
  readonly made: readonly string[];
  /** The task that it completes. */
  readonly completed: string | undefined;
}

export const NOTHING_BESIDE: Beside = { made: [], completed: undefined };

export function refuseParents(
  model: NaiveModel,
  { id, content, ended }: NewTask,
  beside = NOTHING_BESIDE,
): Reply | undefined {
  const named = beside.made.flatMap((made) => findHex(model, made)?.content.dependsOn ?? []);
  if (named.length + content.dependsOn.length > 10_000) return refused("invalid_request");
  let doomed = false;
  for (const [at, parent] of content.dependsOn.entries()) {
    if (hex(parent) === hex(id)) return refused("invalid_request");
    if (ended?.includes(at) || beside.completed === hex(parent)) continue;
    const task = left(model, parent);
    if (doomed || (task !== undefined && !FINAL.includes(task.state))) continue;
    if (beside.made.includes(hex(parent))) continue;
    if (task === undefined) return refused("not_found");
    doomed = task.state !== "completed" && content.onParentFailure !== "continue";
  }
  return undefined;
}

/** The new task stands among the others, in the state that it would have without parents. */
export function tie(
  model: NaiveModel,
  task: Task,
  ended: readonly number[] = [],
  beside = NOTHING_BESIDE,
): void {
  for (const [at, id] of task.content.dependsOn.entries()) {
    if (ended.includes(at) || beside.completed === hex(id)) continue;
    const parent = left(model, id);
    if (parent === undefined) continue;
    if (FINAL.includes(parent.state)) hear(model, task, parent);
    else if (!task.waits.includes(hex(id))) task.waits.push(hex(id));
  }
  if (task.waits.length > 0 || task.blame !== undefined) task.state = "blocked";
}

/** Pairs of a blocked task and a parent that it waits for. */
export function countWaits(model: NaiveModel): number {
  return model.tasks.reduce((sum, { waits }) => sum + waits.length, 0);
}

/** The task has just ended. */
export function tellChildren(model: NaiveModel, parent: Task): void {
  parent.waits = [];
  parent.blame = undefined;
  for (const child of model.tasks) {
    if (!child.waits.includes(hex(parent.id))) continue;
    child.waits = child.waits.filter((id) => id !== hex(parent.id));
    hear(model, child, parent);
    if (child.waits.length > 0 || child.blame !== undefined) continue;
    model.move(child, child.dueAt > model.now ? "scheduled" : "pending");
  }
}

/** The end of a task whose parent has failed it. */
export function endDoomed(model: NaiveModel, task: Task): void {
  const { id, state } = task.blame!;
  const text = id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  const error = { message: `parent ${text} ended as ${state}`, stack: "" };
  model.finish(task, task.content.onParentFailure === "fail" ? "dead" : "cancelled", error);
}

function hear(model: NaiveModel, child: Task, parent: Task): void {
  if (parent.state === "completed" || child.content.onParentFailure === "continue") return;
  child.blame ??= { id: hex(parent.id), state: parent.state, at: model.now };
}

function findHex(model: NaiveModel, id: string): Task | undefined {
  return model.tasks.find((task) => hex(task.id) === id);
}

function left(model: NaiveModel, id: TaskId): Task | undefined {
  const task = model.find(id);
  return task?.deleted ? undefined : task;
}
