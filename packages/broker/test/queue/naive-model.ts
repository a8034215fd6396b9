/**
 * The queue as one would write it without caring for speed: objects in arrays, linear scans,
 * nothing stored, nothing encoded. Property tests hold it against the machine, reply by reply.
 * What version 3 brought stands in `naive-<feature>.ts`, as functions over this model.
 */
import type { AccessKey } from "../../src/queue/access-key.ts";
import type { Batch, Command } from "../../src/queue/command.ts";
import type { JobView } from "../../src/queue/job.ts";
import type { Reply } from "../../src/queue/reply.ts";
import { retryDelayMs } from "../../src/queue/retry-delay.ts";
import type {
  AttemptOutcome,
  TaskContent,
  TaskError,
  TaskId,
  TaskState,
} from "../../src/queue/task.ts";
import { giveUp } from "./naive-dead-letters.ts";
import { hasExpired } from "./naive-expiry.ts";
import { type Death, entersHistory, leavesHistory } from "./naive-history.ts";
import { carryOutLater } from "./naive-later.ts";
import { countWaits, tellChildren } from "./naive-parents.ts";
import type { Book } from "./naive-queues.ts";
import { register } from "./naive-sessions.ts";
import {
  DAY,
  FINAL,
  flat,
  hex,
  MINUTES_5,
  newAttempt,
  ok,
  refused,
  type Session,
  type Task,
} from "./naive-state.ts";
import { complete, submit } from "./naive-submit.ts";
import { lapse, wake } from "./naive-time.ts";
import { charge, forgetGroups, join, nextTask, rise, seat } from "./naive-turns.ts";
import { takeBack } from "./naive-unique.ts";

export { hex } from "./naive-state.ts";

export class NaiveModel {
  now = 0;
  /** Of the cluster. */
  version = 1;
  tasks: Task[] = [];
  sessions: Session[] = [];
  keys = new Map<string, { id: string; at: number }>();
  uniques = new Map<string, { id: TaskId; until: number }>();
  /** Waiting tasks whose unique keys the command under way gives to others. */
  replaced: string[] = [];
  jobs: JobView[] = [];
  deaths: Death[] = [];
  accessKeys: AccessKey[] = [];
  nextOrder = 1;
  nextToken = 1;
  books = new Map<string, Book>();
  queueTurn = 0;
  /** Of a queue that is made now. */
  freshRevision = 0;

  apply({ at, commands }: Batch): Reply[] {
    this.now = Math.max(this.now, at);
    return commands.map((command) => {
      const reply = this.carryOut(command);
      rise(this);
      return reply;
    });
  }

  /** One of the same mind, that can be tried out on. */
  copy(): NaiveModel {
    return Object.assign(new NaiveModel(), structuredClone({ ...this }));
  }

  count(state: TaskState, queue?: string): number {
    const tasks = this.tasks.filter((task) => !task.deleted && task.state === state);
    return tasks.filter((task) => (queue ?? task.queue) === task.queue).length;
  }

  find(id: TaskId): Task | undefined {
    return this.tasks.find((task) => hex(task.id) === hex(id));
  }

  carryOut(command: Command): Reply {
    switch (command.type) {
      case "submit":
        return submit(this, command);
      case "lease":
        return this.lease(command.session, command.count);
      case "extend": {
        const task = this.running(command);
        if (task === undefined) return this.ended(command, undefined);
        task.extendedTo = Math.max(task.extendedTo, this.now + command.forMs);
        return ok("running");
      }
      case "release": {
        const task = this.running(command);
        if (task === undefined) return this.ended(command, "released");
        this.release(task);
        return ok("pending");
      }
      case "complete":
        return complete(this, command);
      case "fail": {
        const task = this.running(command);
        if (task === undefined) return this.ended(command, "failed");
        this.fail(task, "failed", command.error, command.retryable, command.retryAfterMs ?? 0);
        return ok(task.state);
      }
      case "cancel":
        return this.cancel(command.id, command.reason);
      case "retry":
        return this.retry(command.id, hex(command.requestId));
      case "delete":
        return this.delete(command.id, hex(command.requestId));
      case "register":
        return register(this, command);
      case "renew":
        for (const session of this.sessions) {
          if (!command.sessions.includes(session.id) || session.lapsed) continue;
          // A session named twice is renewed twice.
          for (const id of command.sessions) if (id === session.id) session.renewals++;
          session.deadline = Math.max(session.deadline, this.now + session.leaseMs);
        }
        return ok(undefined);
      case "unregister": {
        const session = this.sessions.find(({ id }) => id === command.session);
        if (session === undefined) return ok(undefined, true);
        for (const task of this.leases(session.id)) this.release(task);
        this.sessions = this.sessions.filter((other) => other !== session);
        return ok(undefined);
      }
      case "lapse":
        return lapse(this, command.session, command.renewals);
      case "wake":
        wake(this, command.max);
        return ok(undefined);
      case "takeOffice":
        this.takeOffice();
        return ok(undefined);
      default:
        return carryOutLater(this, command);
    }
  }

  known(id: TaskId, content: TaskContent): Reply | undefined {
    const task = this.find(id);
    if (task === undefined) return undefined;
    if (flat(task.content) !== flat(content)) return refused("idempotency_mismatch");
    return { code: "ok", id, state: task.deleted ? undefined : task.state, duplicate: true };
  }

  lease(id: string, count: number): Reply {
    const session = this.sessions.find((other) => other.id === id && !other.lapsed);
    if (session === undefined) return refused("not_found");
    const tokens: number[] = [];
    let expired = 0;
    seat(this, session);
    while (tokens.length < count) {
      const task = nextTask(this, session);
      if (task === undefined) break;
      if (hasExpired(this, task)) {
        const waits = countWaits(this);
        this.finish(task, "expired", undefined);
        if (++expired === 1000 || countWaits(this) < waits) break;
        continue;
      }
      const token = this.nextToken++;
      tokens.push(token);
      task.deliveries++;
      task.startedAt = this.now;
      task.extendedTo = 0;
      this.move(task, "running");
      task.attempts.push(newAttempt(task, session, token, this.now));
      charge(this, task);
    }
    return { code: "leased", granted: tokens.length, tokens };
  }

  running({ id, token }: { id: TaskId; token: number }): Task | undefined {
    const task = this.find(id);
    const isIt = task?.state === "running" && task.attempts.at(-1)?.token === token;
    return isIt ? task : undefined;
  }

  ended({ id, token }: { id: TaskId; token: number }, wanted: AttemptOutcome | undefined): Reply {
    const task = this.find(id);
    if (task === undefined || task.deleted) return refused("not_found");
    const last = task.attempts.filter((attempt) => attempt.outcome !== undefined).at(-1);
    const same = wanted !== undefined && last?.token === token && last.outcome === wanted;
    return same ? ok(task.state, true) : refused("stale_token");
  }

  fail(
    task: Task,
    outcome: "failed" | "timeout",
    error: TaskError,
    retryable: boolean,
    afterMs: number,
  ): void {
    this.endAttempt(task, outcome, error);
    task.failures++;
    if (!retryable || task.failures > task.retry.maxRetries) {
      giveUp(this, task, error);
      return;
    }
    if (hasExpired(this, task)) {
      this.finish(task, "expired", error);
      return;
    }
    const number = task.attempts.length;
    const delay = Math.max(retryDelayMs(task.retry, task.failures, task.id, number), afterMs);
    task.dueAt = this.now + delay;
    this.move(task, delay > 0 ? "retrying" : "pending");
  }

  release(task: Task): void {
    this.endAttempt(task, "released", undefined);
    task.deliveries--;
    this.move(task, "pending");
  }

  lapseRun(task: Task): void {
    if (task.deliveries < 20) {
      this.endAttempt(task, "lapsed", undefined);
      this.move(task, "pending");
      return;
    }
    const times = `delivered ${task.deliveries} times`;
    const message = `${times}, and the last worker vanished without a report`;
    this.endAttempt(task, "lapsed", { message, stack: "" });
    giveUp(this, task, { message, stack: "" });
  }

  cancel(id: TaskId, reason: string): Reply {
    const task = this.find(id);
    if (task === undefined || task.deleted) return refused("not_found");
    if (task.state === "cancelled") return ok("cancelled", true);
    if (FINAL.includes(task.state)) return refused("state_conflict");
    const error = reason === "" ? undefined : { message: reason, stack: "" };
    if (task.state === "running") this.endAttempt(task, "cancelled", error);
    this.finish(task, "cancelled", error);
    return ok("cancelled");
  }

  /** Without a request of its own it is no copy of any. */
  retry(id: TaskId, request: string | undefined): Reply {
    const task = this.find(id);
    if (task === undefined || task.deleted) return refused("not_found");
    if (task.request === request) return ok(task.state, true);
    if (!FINAL.includes(task.state) || task.state === "completed") return refused("state_conflict");
    const taken = takeBack(this, task);
    if (taken !== undefined) return taken;
    task.expiresAt = 0;
    task.isDeadLetter = false;
    task.request = request ?? task.request;
    task.failures = 0;
    task.deliveries = 0;
    task.finishedAt = 0;
    task.order = this.nextOrder++;
    leavesHistory(this, task);
    this.move(task, "pending");
    join(this, task);
    return ok("pending");
  }

  delete(id: TaskId, request: string): Reply {
    const task = this.find(id);
    if (task === undefined) return refused("not_found");
    if (!task.deleted) {
      if (!FINAL.includes(task.state)) return refused("state_conflict");
      task.deleted = true;
      leavesHistory(this, task);
      task.deleteRequest = request;
      task.until = task.createdAt + DAY + MINUTES_5;
      if (task.until <= this.now) this.forget(task);
      return ok(undefined);
    }
    const same = task.deleteRequest === request;
    if (task.until <= this.now) this.forget(task);
    return same ? ok(undefined, true) : refused("not_found");
  }

  forget(task: Task): void {
    this.tasks = this.tasks.filter((other) => other !== task);
    const key = `${task.content.queue} ${task.content.idempotencyKey}`;
    if (this.keys.get(key)?.id === hex(task.id)) this.keys.delete(key);
  }

  takeOffice(): void {
    for (const session of this.sessions) {
      const until = this.now + session.leaseMs;
      if (session.lapsed) {
        for (const task of this.leases(session.id)) {
          task.extendedTo = Math.max(task.extendedTo, until);
        }
      } else {
        session.deadline = Math.max(session.deadline, until);
        session.renewals++;
      }
    }
  }

  /** Running tasks of a session, oldest grant first. */
  leases(session: string): Task[] {
    const running = this.tasks.filter(
      (task) => task.state === "running" && task.attempts.at(-1)?.session === session,
    );
    return running.sort((a, b) => a.attempts.at(-1)!.token - b.attempts.at(-1)!.token);
  }

  endAttempt(task: Task, outcome: AttemptOutcome, error: TaskError | undefined): void {
    const attempt = task.attempts.pop()!;
    task.attempts.push({ ...attempt, endedAt: this.now, outcome, error });
    task.extendedTo = 0;
    task.state = "pending";
    this.dropLapsed();
  }

  finish(task: Task, state: TaskState, error: TaskError | undefined): void {
    this.move(task, state);
    task.error = error;
    task.finishedAt = this.now;
    forgetGroups(this);
    entersHistory(this, task);
    tellChildren(this, task);
  }

  move(task: Task, state: TaskState): void {
    task.state = state;
    task.updatedAt = this.now;
    rise(this);
  }

  dropLapsed(): void {
    this.sessions = this.sessions.filter(({ lapsed, id }) => !lapsed || this.leases(id).length > 0);
  }
}
