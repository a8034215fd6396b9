/** Submission for the model test: batches, children, unique keys, expiry, other times. */
import type { NewTask } from "../../src/queue/command.ts";
import {
  BACKOFFS,
  JITTER_KINDS,
  type TaskContent,
  UNIQUE_CONFLICTS,
} from "../../src/queue/task.ts";
import { completeOf, HOUR } from "./harness.ts";
import type { CommandMaker, ContentMaker, KnownTask, Step, Table } from "./random-later.ts";

const TIMES_MS = [1, 900, 5_000, 20_000, 60_000, HOUR];

export const someUnique: ContentMaker = (_, dice) => {
  const onConflict = UNIQUE_CONFLICTS[dice % 3]!;
  const forMs = dice % 4 === 0 ? TIMES_MS[dice % TIMES_MS.length]! : 0;
  return { unique: { key: `only ${dice % 2}`, forMs, onConflict } };
};

export const someExpiry: ContentMaker = ({ driver }, dice) => {
  const ms = TIMES_MS[dice % TIMES_MS.length]!;
  if (dice % 3 === 0) return { expiresAt: driver.now + ms - 2_000 };
  return { expiresInMs: ms };
};

export const someBackoff: ContentMaker = (_, dice) => {
  const delaysMs = dice % 2 === 0 ? [700, 0, 9_000] : [];
  const jitterKind = JITTER_KINDS[dice % 3]!;
  return { retry: { backoff: BACKOFFS[dice % 4]!, jitterKind, delaysMs, maxDelayMs: 8_000 } };
};

export const submitSome: CommandMaker = (table, step) => {
  return { type: "submitAll", tasks: someTasks(table, step, step.a % 6) };
};

export const completeWithChildren: CommandMaker = (table, step) => {
  const { a, b, c } = step;
  const id = table.idOf(a, isRunning);
  const command = completeOf(id, table.token(id, b));
  const children = someTasks(table, step, 1 + (c % 3));
  const task = table.model.find(id);
  if (task?.content.unique === undefined || children.length === 0 || c % 2 === 0) {
    return { ...command, children };
  }
  // The next link of a chain of which only one may live.
  const first = children[0]!;
  const { queue, unique } = task.content;
  const next = { ...first, content: { ...first.content, queue, unique, dependsOn: [id] } };
  return { ...command, children: [next, ...children.slice(1)] };
};

export const rescheduleOne: CommandMaker = (table, { a, b, c }) => {
  const id = table.idOf(a, b % 5 === 0 ? () => true : waits);
  const due = table.model.find(id)?.dueAt ?? 0;
  const runAt = c % 4 === 0 ? due : table.driver.now + c * 40 - 9_000;
  const seen = table.driver.machine.task(id)?.updatedAt ?? 1;
  const condition = a % 3 === 0 ? { ifUpdatedAt: seen - (b % 4 === 0 ? 1 : 0) } : {};
  return { type: "reschedule", id, runAt, ...condition };
};

/** Some depend on one before them, some are copies. */
function someTasks(table: Table, { a, b, c, d }: Step, count: number): NewTask[] {
  const tasks: NewTask[] = [];
  for (let i = 0; i < count; i++) {
    const { type: _, ...task } = table.submit(a + i * 3 + 1, b + i * 5, c + i, d + i * 2);
    const before = tasks[(a + i) % (tasks.length + 1)];
    const isKnown = table.model.find(task.id) !== undefined;
    if (before === undefined || isKnown || (b + i) % 3 !== 0) tasks.push(task);
    else if (c % 5 === 0) tasks.push(before);
    else tasks.push({ ...task, content: withParent(task.content, before) });
  }
  return tasks;
}

function withParent(content: TaskContent, { id }: NewTask): TaskContent {
  return { ...content, dependsOn: [...content.dependsOn, id] };
}

function isRunning(task: KnownTask): boolean {
  return task.state === "running";
}

function waits({ state }: KnownTask): boolean {
  return state === "scheduled" || state === "retrying" || state === "pending";
}
