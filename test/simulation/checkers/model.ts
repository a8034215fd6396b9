/**
 * The queue once more, written without care for speed, fed with the committed batches: its replies
 * and those of the machine must be the same.
 */

import {
  type Batch,
  type Command,
  type JobView,
  newTasksOf,
  type QueueMachine,
  type Reply,
  TASK_STATES,
  type TaskId,
} from "../../../packages/broker/src/queue/index.ts";
import { hex, NaiveModel } from "../../../packages/broker/test/queue/naive-model.ts";
import { FINAL, viewOf } from "../../../packages/broker/test/queue/naive-state.ts";
import { demand } from "../violation.ts";

/** A deleted task is remembered at least for so long: a day, and what an id may be ahead. */
const REMEMBERED_MS = 24 * 3_600_000 + 300_000;

type ModelTask = NonNullable<ReturnType<NaiveModel["find"]>>;

/**
 * The model scans all its tasks for everything it does; here it sees only those that are not final,
 * and the others come back when a command names them.
 */
class QuickModel extends NaiveModel {
  readonly all = new Map<string, ModelTask>();
  /** How many of `tasks` are in `all` already. */
  #known = 0;

  override apply(batch: Batch): Reply[] {
    for (const command of batch.commands) this.#recall(command);
    const replies = super.apply(batch);
    this.#learn();
    this.tasks = this.tasks.filter(({ state }) => !FINAL.includes(state));
    this.#known = this.tasks.length;
    return replies;
  }

  override find(id: TaskId): ModelTask | undefined {
    this.#learn();
    return this.all.get(idText(id));
  }

  /** Commands that make several tasks are tried out on it: they change none that have ended. */
  override copy(): QuickModel {
    this.#learn();
    const { all, tasks, ...rest } = this;
    const copy = Object.assign(new QuickModel(), structuredClone(rest));
    copy.tasks = tasks.map(copyOf);
    const live = copy.tasks.map((task) => [idText(task.id), task] as const);
    Object.assign(copy, { all: new Map([...all, ...live]) });
    copy.#known = copy.tasks.length;
    return copy;
  }

  override forget(task: ModelTask): void {
    this.#learn();
    super.forget(task);
    this.#known = this.tasks.length;
    this.all.delete(idText(task.id));
  }

  #learn(): void {
    for (; this.#known < this.tasks.length; this.#known++) {
      const task = this.tasks[this.#known]!;
      this.all.set(idText(task.id), task);
    }
  }

  #recall(command: Command): void {
    if (command.type === "retry") this.#bringBack(this.all.get(idText(command.id)));
    if (command.type === "stepJob") {
      for (const id of command.tasks) this.#bringBack(this.all.get(idText(id)));
    }
    for (const { content } of newTasksOf(command)) {
      const first = this.keys.get(`${content.queue} ${content.idempotencyKey}`);
      if (first !== undefined) this.#bringBack(this.all.get(textOfHex(first.id)));
    }
  }

  #bringBack(task: ModelTask | undefined): void {
    if (task === undefined || this.tasks.includes(task)) return;
    this.tasks.push(task);
    this.#known++;
  }
}

/** What else is in it is never changed, but replaced. */
function copyOf(task: ModelTask): ModelTask {
  const { attempts, lines, waits } = task;
  return { ...task, attempts: [...attempts], lines: [...lines], waits: [...waits] };
}

export class ModelChecker {
  readonly #model = new QuickModel();

  /** The cluster works with this version from here on. */
  raised(version: number): void {
    this.#model.version = Math.max(this.#model.version, version);
  }

  /** The replies that it would give. */
  apply(batch: Batch): readonly Reply[] {
    return this.#model.apply(batch);
  }

  /** As it is in the model; undefined: it is not there, or gone. */
  look(id: TaskId): Readonly<ModelTask> | undefined {
    const task = this.#model.find(id);
    return task?.deleted ? undefined : task;
  }

  check(index: number, batch: Batch, replies: readonly Reply[], wanted: readonly Reply[]): void {
    replies.forEach((reply, ordinal) => {
      const other = wanted[ordinal]!;
      if (this.#isForgotten(batch.commands[ordinal]!, reply)) return;
      demand(isSame(reply, other), "model", () => {
        const { type } = batch.commands[ordinal]!;
        return `at ${index}.${ordinal} ${type} gets ${plain(reply)}, of the model ${plain(other)}`;
      });
    });
  }

  /** The machine forgets in time what it has deleted; the model never does. */
  #isForgotten(command: Command, reply: Reply): boolean {
    if (command.type !== "delete" || reply.code !== "not_found") return false;
    const task = this.#model.all.get(idText(command.id));
    return task?.deleted === true && this.#model.now > task.createdAt + REMEMBERED_MS;
  }

  /** To be asked when the machine has applied exactly what the model has. */
  compare(queue: QueueMachine): void {
    const [jobs, wantedJobs] = [queue.jobs(), this.#model.jobs].map((some) => {
      return [...some].map(describeJob).sort().join("; ");
    });
    demand(jobs === wantedJobs, "model", () => `${jobs}, in the model ${wantedJobs}`);
    const counts = queue.counts();
    const tally = new Map<string, number>();
    for (const { deleted, state } of this.#model.all.values()) {
      if (!deleted) tally.set(state, (tally.get(state) ?? 0) + 1);
    }
    for (const state of TASK_STATES) {
      const wanted = tally.get(state) ?? 0;
      demand(counts[state] === wanted, "model", () => {
        return `${counts[state]} tasks are ${state}, in the model ${wanted}`;
      });
    }
    for (const task of this.#model.all.values()) {
      const view = queue.task(task.id);
      const found = view === undefined ? "gone" : summary(view);
      const wanted = task.deleted ? "gone" : summary(viewOf(task));
      demand(found === wanted, "model", () => {
        return `task ${hex(task.id)} is ${found}, in the model ${wanted}`;
      });
    }
  }
}

/** Sixteen bytes as a string, for maps. */
export function idText(id: TaskId): string {
  const make = String.fromCharCode;
  const head = make(id[0]!, id[1]!, id[2]!, id[3]!, id[4]!, id[5]!, id[6]!, id[7]!);
  return head + make(id[8]!, id[9]!, id[10]!, id[11]!, id[12]!, id[13]!, id[14]!, id[15]!);
}

function textOfHex(hexText: string): string {
  let text = "";
  for (let at = 0; at < hexText.length; at += 2) {
    text += String.fromCharCode(Number.parseInt(hexText.slice(at, at + 2), 16));
  }
  return text;
}

interface Summarised {
  readonly queue: string;
  readonly state: string;
  readonly attempt: number;
  readonly failures: number;
  readonly dueAt: number;
  readonly finishedAt: number;
  readonly result: object | undefined;
}

function summary(view: Summarised): string {
  const { queue, state, attempt, failures, dueAt, finishedAt, result } = view;
  const times = `due ${dueAt}, end ${finishedAt}`;
  const has = result === undefined ? "no result" : "result";
  return `${state} in ${queue}, attempt ${attempt}, failures ${failures}, ${times}, ${has}`;
}

function describeJob({ id, state, steps, matched, changed, skipped }: JobView): string {
  return `job ${hex(id)} ${state} at ${steps}: ${matched} ${changed} ${skipped}`;
}

/** But for the message, which is for people. */
function isSame(one: Reply, other: Reply): boolean {
  if (one.code === "leased" && other.code === "leased") {
    return one.tokens.join() === other.tokens.join();
  }
  if (one.code === "submitted" && other.code === "submitted") {
    const { tasks } = other;
    return (
      one.tasks.length === tasks.length && one.tasks.every((task, i) => isSame(task, tasks[i]!))
    );
  }
  if (one.code !== "ok" || other.code !== "ok") return one.code === other.code;
  if (one.state !== other.state || one.duplicate !== other.duplicate) return false;
  return textOf(one.id) === textOf(other.id);
}

function textOf(id: TaskId | undefined): string {
  return id === undefined ? "" : idText(id);
}

/** Without the message, which is for people. */
function plain(reply: Reply): string {
  if (reply.code === "leased") return `leased ${reply.tokens.join(" ")}`;
  if (reply.code === "submitted") return reply.tasks.map(plain).join("; ");
  if (reply.code !== "ok") return reply.code;
  const id = reply.id === undefined ? "" : hex(reply.id);
  return `ok ${id} ${reply.state ?? ""}${reply.duplicate ? " duplicate" : ""}`;
}
