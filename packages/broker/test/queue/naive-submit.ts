/**
 * The naive model's opinion on new tasks. Of several in one command all are made on a copy of the
 * whole model first, one after the other; only if that went well they are made in the model itself.
 */
import type { Command, NewTask } from "../../src/queue/command.ts";
import { DEFAULT_SETTINGS } from "../../src/queue/queue-settings.ts";
import type { Accepted, RefusalCode, Reply } from "../../src/queue/reply.ts";
import type { RetryPolicy, TaskContent } from "../../src/queue/task.ts";
import type { NaiveModel } from "./naive-model.ts";
import { NOTHING_BESIDE, refuseParents, tie } from "./naive-parents.ts";
import { DAY, FINAL, hex, MINUTES_5, newTask, ok, refused, type Task } from "./naive-state.ts";
import { join } from "./naive-turns.ts";
import { cancelReplaced, holderOf, take } from "./naive-unique.ts";

/** What a command makes and completes beside, up to this task. */
interface Beside {
  readonly made: string[];
  readonly completed: string | undefined;
}

export function submit(model: NaiveModel, command: NewTask): Reply {
  const reply = submitOne(model, command, { ...NOTHING_BESIDE, made: [] });
  cancelReplaced(model);
  if (reply.code !== "ok" || reply.duplicate) return reply;
  return { ...reply, state: model.find(command.id)!.state };
}

export function submitAll(model: NaiveModel, tasks: readonly NewTask[]): Reply {
  const trial = model.copy();
  const refusal = submitEach(trial, tasks, undefined);
  if (refusal !== undefined) return refusal;
  return { code: "submitted", tasks: makeEach(model, tasks, undefined) };
}

export function complete(
  model: NaiveModel,
  command: Extract<Command, { type: "complete" }>,
): Reply {
  const task = model.running(command);
  if (task === undefined) return model.ended(command, "completed");
  const children = command.children ?? [];
  if (children.length > 0) {
    const trial = model.copy();
    finishRun(trial, trial.running(command)!, command);
    const refusal = submitEach(trial, children, hex(task.id));
    if (refusal !== undefined) return refusal;
  }
  finishRun(model, task, command);
  makeEach(model, children, hex(task.id));
  return ok("completed");
}

function finishRun(
  model: NaiveModel,
  task: Task,
  { result, resultType }: Extract<Command, { type: "complete" }>,
): void {
  model.endAttempt(task, "completed", undefined);
  model.finish(task, "completed", undefined);
  task.result = { bytes: result, type: resultType };
}

function submitEach(
  model: NaiveModel,
  tasks: readonly NewTask[],
  completed: string | undefined,
): Reply | undefined {
  const beside: Beside = { made: [], completed };
  for (const [at, task] of tasks.entries()) {
    const reply = submitOne(model, task, beside);
    if (reply.code !== "ok") return { code: reply.code as RefusalCode, message: "", at };
  }
  return undefined;
}

function makeEach(
  model: NaiveModel,
  tasks: readonly NewTask[],
  completed: string | undefined,
): Accepted[] {
  const beside: Beside = { made: [], completed };
  const replies = tasks.map((task) => submitOne(model, task, beside) as Accepted);
  cancelReplaced(model);
  // What is said of each is what is so at the end.
  return replies.map((reply) => {
    const task = model.find(reply.id!);
    return { ...reply, state: task === undefined || task.deleted ? undefined : task.state };
  });
}

function submitOne(model: NaiveModel, command: NewTask, beside: Beside): Reply {
  const { id, content, retry, depthLimit } = command;
  const known = model.known(id, content);
  if (known !== undefined) return known;
  const time = Number.parseInt(hex(id).slice(0, 12), 16);
  if (time < model.now - DAY || time > model.now + MINUTES_5) return refused("id_out_of_window");
  const key = `${content.queue} ${content.idempotencyKey}`;
  const first = content.idempotencyKey === "" ? undefined : model.keys.get(key);
  if (first !== undefined && first.at + DAY > model.now) {
    const same = model.tasks.find((task) => hex(task.id) === first.id);
    const answer = same === undefined ? undefined : model.known(same.id, content);
    if (answer !== undefined) return answer;
  }
  const holder = holderOf(model, content);
  const mayReplace = holder?.waits === true && content.unique?.onConflict === "replace";
  if (holder !== undefined && !mayReplace) {
    if (content.unique?.onConflict === "reject") return refused("state_conflict");
    return { code: "ok", id: holder.id, state: holder.state, duplicate: true };
  }
  const book = model.version >= 3 ? model.books.get(content.queue) : undefined;
  const settings = book?.settings ?? DEFAULT_SETTINGS;
  if (book?.draining && beside.completed === undefined) return refused("state_conflict");
  const gone = [...model.replaced, ...(holder === undefined ? [] : [hex(holder.id)])];
  const depth = model.tasks.filter((task) => {
    const isLive = !FINAL.includes(task.state) && !gone.includes(hex(task.id));
    return isLive && task.queue === content.queue;
  }).length;
  const limit = settings.depthLimit > 0 ? settings.depthLimit : depthLimit;
  if (limit > 0 && depth >= limit) return refused("queue_full");
  const refusal = refuseParents(model, command, beside);
  if (refusal !== undefined) return refusal;
  if (holder !== undefined) model.replaced.push(hex(holder.id));
  if (content.idempotencyKey !== "") model.keys.set(key, { id: hex(id), at: model.now });
  take(model, id, content);
  const dueAt = content.runAt > 0 ? content.runAt : model.now + content.delayMs;
  const task = newTask({
    id,
    content,
    retry: model.version >= 3 ? merged(retry, settings.retry, content.retry) : retry,
    state: dueAt > model.now ? "scheduled" : "pending",
    order: model.nextOrder++,
    dueAt,
    createdAt: model.now,
  });
  task.expiresAt = expiryOf(model, content, settings.defaultTtlMs);
  task.madeIn = model.version;
  model.tasks.push(task);
  join(model, task);
  tie(model, task, command.ended, beside);
  beside.made.push(hex(id));
  return { code: "ok", id, state: task.state, duplicate: false };
}

/** A number of jitter means the kind that has one, unless another kind stands beside it. */
function merged(policy: RetryPolicy, ...wishes: readonly Partial<RetryPolicy>[]): RetryPolicy {
  let all = policy;
  for (const wish of wishes) {
    const kind = wish.jitter === undefined ? all.jitterKind : "extra";
    all = { ...all, ...wish, jitterKind: wish.jitterKind ?? kind };
  }
  return all;
}

function expiryOf({ now }: NaiveModel, content: TaskContent, ttlMs: number): number {
  if (content.expiresAt > 0) return content.expiresAt;
  if (content.expiresInMs > 0) return now + content.expiresInMs;
  return ttlMs > 0 ? now + ttlMs : 0;
}
