/**
 * The naive model's opinion on whose turn it is: queues with their settings and turns, groups with
 * theirs, and the next task of a session, found by looking at all of them.
 */
import { PRIORITIES } from "../../src/queue/task.ts";
import type { NaiveModel } from "./naive-model.ts";
import { type Book, bookOf } from "./naive-queues.ts";
import { FINAL, type Session, type Task } from "./naive-state.ts";

const ROUND = 720_720;

/** A task is new in this queue. */
export function join(model: NaiveModel, task: Task): void {
  const book = bookOf(model, task.queue);
  const { group } = task.content;
  if (book.turns.has(group)) return;
  book.turns.set(group, book.groupTurn + step(weightOf(book, group)));
}

/** Groups without live tasks are forgotten. */
export function forgetGroups(model: NaiveModel): void {
  for (const book of model.books.values()) {
    for (const group of book.turns.keys()) {
      const isLeft = model.tasks.some((task) => isLive(task) && isOf(task, book, group));
      if (!isLeft && group !== "") book.turns.delete(group);
    }
  }
}

export function nextTask(model: NaiveModel, session: Session): Task | undefined {
  const open = model.tasks.filter((task) => isOpen(model, task) && takes(session, task));
  if (model.version < 3) {
    return open.sort((a, b) => priorityOf(b) - priorityOf(a) || a.order - b.order)[0];
  }
  const heads = open.filter(
    (task) => !open.some((other) => sameLine(task, other) && other.order < task.order),
  );
  return heads.sort((a, b) => compare(model, a, b))[0];
}

/** The task begins to run. */
export function charge(model: NaiveModel, task: Task): void {
  if (model.version < 3) return;
  const book = bookOf(model, task.queue);
  const { group } = task.content;
  model.queueTurn = Math.max(model.queueTurn, book.turn);
  book.turn = model.queueTurn + step(book.settings.weight);
  if (book.turns.size === 1) return;
  book.groupTurn = Math.max(book.groupTurn, book.turns.get(group)!);
  book.turns.set(group, book.groupTurn + step(weightOf(book, group)));
}

function compare(model: NaiveModel, a: Task, b: Task): number {
  const [one, other] = [bookOf(model, a.queue), bookOf(model, b.queue)];
  const urgency = urgencyOf(model, b) - urgencyOf(model, a);
  if (urgency !== 0) return urgency;
  if (one === other) {
    // Of one group and lane the earlier one goes first, and so it does at equal turns.
    return one.turns.get(a.content.group)! - one.turns.get(b.content.group)! || a.order - b.order;
  }
  return one.turn - other.turn || (one.name < other.name ? -1 : 1);
}

function urgencyOf(model: NaiveModel, task: Task): number {
  const steps = Math.floor((model.now - task.updatedAt) / 300_000);
  return Math.min(3, priorityOf(task) + steps);
}

function sameLine(a: Task, b: Task): boolean {
  const line = (task: Task) => {
    const { type, requires, group, priority } = task.content;
    return JSON.stringify([task.queue, type, requires, group, priority]);
  };
  return line(a) === line(b);
}

function takes(session: Session, task: Task): boolean {
  const { type, requires } = task.content;
  if (!session.types.includes(type)) return false;
  if (session.queues.length > 0 && !session.queues.includes(task.queue)) return false;
  return requires.every((label) => session.labels.includes(label));
}

function isOpen(model: NaiveModel, task: Task): boolean {
  if (task.state !== "pending") return false;
  const book = bookOf(model, task.queue);
  const { concurrency, groupConcurrency } = book.settings;
  const { group } = task.content;
  const running = model.tasks.filter(
    (other) => other.state === "running" && other.queue === book.name,
  );
  if (book.paused || (concurrency > 0 && running.length >= concurrency)) return false;
  if (group === "" || groupConcurrency === 0) return true;
  return running.filter((other) => other.content.group === group).length < groupConcurrency;
}

function isLive(task: Task): boolean {
  return !task.deleted && !FINAL.includes(task.state);
}

function isOf(task: Task, book: Book, group: string): boolean {
  return task.queue === book.name && task.content.group === group;
}

function weightOf({ settings }: Book, group: string): number {
  return settings.groupWeights.find((each) => each.group === group)?.weight ?? 1;
}

function step(weight: number): number {
  return Math.floor(ROUND / weight);
}

function priorityOf(task: Task): number {
  return PRIORITIES.indexOf(task.content.priority);
}
