/** The naive model's opinion on what time alone does to tasks and sessions. */
import type { Reply } from "../../src/queue/reply.ts";
import { nextToExpire } from "./naive-expiry.ts";
import type { NaiveModel } from "./naive-model.ts";
import { countWaits, endDoomed } from "./naive-parents.ts";
import { ok, refused, type Task } from "./naive-state.ts";

export function lapse(model: NaiveModel, id: string, renewals: number): Reply {
  const session = model.sessions.find((other) => other.id === id && !other.lapsed);
  if (session === undefined) return ok(undefined, true);
  if (session.renewals !== renewals || session.deadline > model.now) {
    return refused("state_conflict");
  }
  const over = model.leases(id).filter(({ extendedTo }) => extendedTo <= model.now);
  const count = counting(model, 1000);
  for (const task of over) if (!count(task, () => model.lapseRun(task))) return ok(undefined);
  session.lapsed = true;
  model.dropLapsed();
  return ok(undefined);
}

export function wake(model: NaiveModel, max: number): void {
  const count = counting(model, Math.min(max, 1000));
  for (;;) {
    const due = model.tasks
      .map((task) => ({ task, at: timer(model, task) }))
      .filter(({ at }) => at <= model.now);
    due.sort((a, b) => a.at - b.at || a.task.order - b.task.order);
    const first = due[0];
    const late = nextToExpire(model);
    if (late !== undefined && !(first !== undefined && first.at <= late.expiresAt)) {
      if (!count(late, () => model.finish(late, "expired", undefined))) return;
    } else if (first === undefined || !count(first.task, () => wakeOne(model, first.task))) {
      return;
    }
  }
}

/** Does things until their work is beyond `max`; says whether it has done this one. */
function counting(model: NaiveModel, max: number) {
  const deaths = new Set<string>();
  let left = max;
  return (task: Task, act: () => void): boolean => {
    // Before version 3 only a wake knew a bound, which no session comes near here.
    if (left <= 0) return false;
    const waits = countWaits(model);
    const kind = `${task.content.type} ${task.state}`;
    act();
    left -= 1 + waits - countWaits(model);
    if (model.version < 3 || task.state !== "dead" || deaths.has(kind)) return true;
    left -= 47;
    deaths.add(kind);
    return true;
  };
}

function wakeOne(model: NaiveModel, task: Task): void {
  const { timeoutMs } = task.content;
  if (task.state === "blocked") {
    endDoomed(model, task);
  } else if (task.state !== "running") {
    model.move(task, "pending");
  } else if (timeoutMs > 0 && task.startedAt + timeoutMs <= timer(model, task)) {
    const message = `the run took longer than its timeout of ${timeoutMs} ms`;
    model.fail(task, "timeout", { message, stack: "" }, true, 0);
  } else {
    model.lapseRun(task);
  }
  model.dropLapsed();
}

function timer(model: NaiveModel, task: Task): number {
  if (task.state === "scheduled" || task.state === "retrying") return task.dueAt;
  if (task.state === "blocked" && task.blame !== undefined) return task.blame.at;
  if (task.state !== "running") return Number.POSITIVE_INFINITY;
  const { timeoutMs } = task.content;
  const timeoutAt = timeoutMs > 0 ? task.startedAt + timeoutMs : Number.POSITIVE_INFINITY;
  const session = model.sessions.find(({ id }) => id === task.attempts.at(-1)?.session);
  return session?.lapsed ? Math.min(timeoutAt, task.extendedTo) : timeoutAt;
}
