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
  const open = openTo(model, session);
  if (model.version < 3) {
    return open.sort((a, b) => priorityOf(b) - priorityOf(a) || a.order - b.order)[0];
  }
  const heads = new Map<string, Task>();
  for (const task of open) {
    const line = lineOf(task);
    const head = heads.get(line);
    if (head === undefined || task.order < head.order) heads.set(line, task);
  }
  return [...heads.values()].sort((a, b) => compare(model, a, b))[0];
}

/** The task begins to run. */
export function charge(model: NaiveModel, task: Task): void {
  if (model.version < 3) return;
  const book = bookOf(model, task.queue);
  const { group } = task.content;
  model.queueTurn = Math.max(model.queueTurn, book.turn);
  book.turn += step(book.settings.weight);
  if (book.turns.size === 1) return;
  book.groupTurn = Math.max(book.groupTurn, book.turns.get(group)!);
  book.turns.set(group, book.turns.get(group)! + step(weightOf(book, group)));
}

/** A lease looks at what its session may have: who is new there gets a place among the others. */
export function seat(model: NaiveModel, session: Session): void {
  if (model.version < 3) return;
  const open = openTo(model, session);
  const books = [...new Set(open.map((task) => bookOf(model, task.queue)))];
  const seated = books.filter((book) => book.seated).map(({ turn }) => turn);
  for (const book of books) {
    if (!book.seated) {
      const { turn, settings } = book;
      book.turn = between(turn, seated, model.queueTurn, step(settings.weight));
      book.seated = true;
    }
    if (book.turns.size === 1) continue;
    const here = open.filter((task) => task.queue === book.name);
    const groups = [...new Set(here.map(({ content }) => content.group))];
    const turnOf = (group: string) => book.turns.get(group)!;
    const turns = groups.filter((group) => book.seatedGroups.has(group)).map(turnOf);
    for (const group of groups) {
      if (book.seatedGroups.has(group)) continue;
      const length = step(weightOf(book, group));
      book.turns.set(group, between(turnOf(group), turns, book.groupTurn, length));
      book.seatedGroups.add(group);
    }
    const pulled = pull(groups.map(turnOf), book.groupTurn);
    for (const [at, group] of groups.entries()) book.turns.set(group, pulled[at]!);
  }
  const pulled = pull(
    books.map(({ turn }) => turn),
    model.queueTurn,
  );
  for (const [at, book] of books.entries()) book.turn = pulled[at]!;
}

/** Of those a lease looks at, the one furthest behind is pulled to within 500 tasks, if over 1,000. */
function pull(turns: readonly number[], last: number): number[] {
  const behind = Math.max(...turns.map((turn) => last - turn));
  return turns.map((turn) => {
    const rest = last - turn;
    if (behind <= 1000 * ROUND || rest <= 0) return turn;
    return last - Math.max(0, rest - (behind - 500 * ROUND));
  });
}

/** Who has nothing that may begin gives up its place. To be called when that may have changed. */
export function rise(model: NaiveModel): void {
  const running = runningOf(model);
  for (const book of model.books.values()) {
    if (!book.seated && book.seatedGroups.size === 0) continue;
    const here = model.tasks.filter(
      ({ queue, state }) => queue === book.name && state === "pending",
    );
    if (!here.some((task) => isOpen(model, running, task))) book.seated = false;
    for (const group of book.seatedGroups) {
      const isLeft = here.some(
        (task) => task.content.group === group && hasRoom(model, running, task),
      );
      if (!isLeft) book.seatedGroups.delete(group);
    }
  }
}

function between(turn: number, others: readonly number[], last: number, step: number): number {
  if (others.length === 0) return Math.max(turn, last);
  const least = Math.min(...others);
  // One that was closed by its own run alone has missed nothing.
  return Math.min(Math.max(turn, Math.min(least, last)), least + step);
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

/** Those of one line go in the order in which they came. */
function lineOf({ queue, content }: Task): string {
  const { type, requires, group, priority } = content;
  return [queue, type, group, priority, ...requires].join(" ");
}

function takes(session: Session, task: Task): boolean {
  const { type, requires } = task.content;
  if (!session.types.includes(type)) return false;
  if (session.queues.length > 0 && !session.queues.includes(task.queue)) return false;
  return requires.every((label) => session.labels.includes(label));
}

function openTo(model: NaiveModel, session: Session): Task[] {
  const running = runningOf(model);
  return model.tasks.filter((task) => isOpen(model, running, task) && takes(session, task));
}

/** The tasks that run, by queue: looked up once a command, or thousands of tasks take a minute. */
type Running = ReadonlyMap<string, readonly Task[]>;

function runningOf(model: NaiveModel): Running {
  const running = new Map<string, Task[]>();
  for (const task of model.tasks) {
    if (task.state !== "running") continue;
    const others = running.get(task.queue);
    if (others === undefined) running.set(task.queue, [task]);
    else others.push(task);
  }
  return running;
}

function isOpen(model: NaiveModel, running: Running, task: Task): boolean {
  if (task.state !== "pending") return false;
  const { paused, settings } = bookOf(model, task.queue);
  const { concurrency } = settings;
  const here = running.get(task.queue) ?? [];
  if (paused || (concurrency > 0 && here.length >= concurrency)) return false;
  return hasRoom(model, running, task);
}

/** As far as the limit of its group goes. */
function hasRoom(model: NaiveModel, running: Running, task: Task): boolean {
  const { groupConcurrency } = bookOf(model, task.queue).settings;
  const { group } = task.content;
  if (group === "" || groupConcurrency === 0) return true;
  const here = running.get(task.queue) ?? [];
  return here.filter(({ content }) => content.group === group).length < groupConcurrency;
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
