/** Random commands that change many tasks at once, and tags and errors to find tasks by. */
import type { Command } from "../../src/queue/command.ts";
import { errorFingerprint } from "../../src/queue/error-groups.ts";
import type { JobFilter } from "../../src/queue/job.ts";
import { JOB_KINDS } from "../../src/queue/job.ts";
import type { TaskContent, TaskId } from "../../src/queue/task.ts";
import { TASK_STATES } from "../../src/queue/task.ts";
import { bytesOf, completeOf, failOf, makeId } from "./harness.ts";
import { FINAL } from "./naive-state.ts";
import type { KnownTask, Step, Table } from "./random-later.ts";

export const TAGS = ["red", "green", "red light"];

/** Errors of two kinds, with something of their own in each. */
const MESSAGES = ["timeout after %d ms", "no user 'u%d'", "row %d0000abc is gone", "broken"];

export function someTags(_table: Table, dice: number): Partial<TaskContent> {
  return { tags: TAGS.filter((_, at) => ((dice >> at) & 1) === 0), priority: "high" };
}

/** A run ends for good, of something; when none is under way, some begin. */
export function endForGood(table: Table, { a, b, c }: Step): Command {
  const isRunning = ({ state }: KnownTask) => state === "running";
  if (!table.model.tasks.some(isRunning)) {
    return { type: "lease", session: table.sessions[a % table.sessions.length]!, count: 4 };
  }
  const id = table.idOf(a, isRunning);
  if (c % 5 === 0) return completeOf(id, table.token(id, b));
  const message = MESSAGES[c % MESSAGES.length]!.replace("%d", String(b));
  return failOf(id, table.token(id, b), { error: { message, stack: "" }, retryable: false });
}

/** A job begins, or takes a step, mostly over tasks that it may change. */
export function someJob(table: Table, step: Step): Command {
  const { a, b, c } = step;
  const { jobs, now } = table.model;
  const running = jobs.filter(({ state }) => state === "running");
  const job = (c % 9 === 0 ? jobs : running)[a % (c % 9 === 0 ? jobs : running).length];
  if (job === undefined || c % 7 === 0) {
    const id = makeId(900_000 + jobs.length, now);
    return startOf(table, (c % 2 === 0 ? job?.id : undefined) ?? id, step);
  }
  const { id } = job;
  if (c % 25 === 1) return { type: "cancelJob", id };
  const tasks = Array.from({ length: b % 12 }, (_, at) => {
    return table.idOf(a + at * 7 + 1, ({ deleted, state }) => {
      if (deleted || FINAL.includes(state) === (job.kind === "cancel")) return false;
      return job.kind !== "retry" || state !== "completed";
    });
  });
  const off = c % 8 === 0 ? (b % 3) - 1 : 0;
  const cursor = c % 6 === 0 ? new Uint8Array(0) : bytesOf(`${b}`);
  return { type: "stepJob", id, step: Math.max(0, job.steps + off), tasks, cursor };
}

export function someExpunge(table: Table, { a, b, c }: Step): Command {
  const tasks = Array.from({ length: c % 9 }, (_, at) => {
    const id = table.idOf(a + at * 3, isFinished);
    const finishedAt = table.model.find(id)?.finishedAt ?? 0;
    return { id, finishedAt: (b + at) % 7 === 0 ? finishedAt + 1 : finishedAt };
  });
  const what = (["task", "result", "log"] as const)[b % 3]!;
  return { type: "expunge", what, tasks };
}

export function someForget(table: Table, { a, b }: Step): Command {
  const tombstones = Array.from({ length: a % 6 }, (_, at) => {
    return table.idOf(b + at, ({ deleted }) => deleted);
  });
  const keys = table.queues.map((queue) => ({ queue, key: `key ${b % 3}` }));
  return { type: "forget", tombstones, idempotencyKeys: keys.slice(a % 3), uniqueKeys: [] };
}

function startOf(table: Table, id: TaskId, { a, b, c }: Step): Command {
  return {
    type: "startJob",
    id,
    kind: JOB_KINDS[b % JOB_KINDS.length]!,
    filter: filterOf(table, a, b, c),
    dryRun: b % 5 === 0,
    perSecond: b % 2,
  };
}

function filterOf(table: Table, a: number, b: number, c: number): JobFilter {
  const { now } = table.driver;
  const dead = table.model.tasks.filter(({ state }) => state === "dead");
  const one = dead[a % dead.length];
  const print = one && errorFingerprint(one.content.type, one.error?.message ?? "");
  return {
    state: a % 6 === 0 ? TASK_STATES[c % TASK_STATES.length] : undefined,
    queue: a % 7 === 1 ? table.queues[c % 2]! : "",
    type: a % 7 === 2 ? table.types[c % 2]! : "",
    tag: a % 7 === 3 ? TAGS[c % 3]! : "",
    fingerprint: a % 7 === 4 ? (print ?? "") : "",
    createdFrom: b % 9 === 1 ? now - c * 100 : 0,
    createdTo: b % 9 === 2 ? now - c * 10 : 0,
    finishedFrom: b % 9 === 3 ? now - c * 100 : 0,
    finishedTo: b % 9 === 0 ? now - c * 10 : 0,
  };
}

function isFinished(task: KnownTask): boolean {
  return FINAL.includes(task.state) && !task.deleted;
}
