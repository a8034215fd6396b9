/**
 * The queue as one would write it without caring for speed: objects in arrays, linear scans,
 * nothing stored, nothing encoded. Property tests hold it against the machine, reply by reply.
 */
import type { Batch, Command } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import { retryDelayMs } from "../../src/queue/retry-delay.ts";
import type {
  AttemptOutcome,
  TaskContent,
  TaskError,
  TaskId,
  TaskState,
} from "../../src/queue/task.ts";
import { PRIORITIES } from "../../src/queue/task.ts";
import {
  DAY,
  FINAL,
  flat,
  hex,
  MINUTES_5,
  newAttempt,
  newTask,
  ok,
  refused,
  type Session,
  type Task,
} from "./naive-state.ts";

export { hex } from "./naive-state.ts";

export class NaiveModel {
  now = 0;
  tasks: Task[] = [];
  sessions: Session[] = [];
  keys = new Map<string, { id: string; at: number }>();
  nextOrder = 1;
  nextToken = 1;

  apply({ at, commands }: Batch): Reply[] {
    this.now = Math.max(this.now, at);
    return commands.map((command) => this.#carryOut(command));
  }

  count(state: TaskState, queue?: string): number {
    const tasks = this.tasks.filter((task) => !task.deleted && task.state === state);
    return tasks.filter(({ content }) => (queue ?? content.queue) === content.queue).length;
  }

  find(id: TaskId): Task | undefined {
    return this.tasks.find((task) => hex(task.id) === hex(id));
  }

  #carryOut(command: Command): Reply {
    switch (command.type) {
      case "submit":
        return this.#submit(command);
      case "lease":
        return this.#lease(command.session, command.count);
      case "extend": {
        const task = this.#running(command);
        if (task === undefined) return this.#ended(command, undefined);
        task.extendedTo = Math.max(task.extendedTo, this.now + command.forMs);
        return ok("running");
      }
      case "release": {
        const task = this.#running(command);
        if (task === undefined) return this.#ended(command, "released");
        this.#release(task);
        return ok("pending");
      }
      case "complete": {
        const task = this.#running(command);
        if (task === undefined) return this.#ended(command, "completed");
        this.#endAttempt(task, "completed", undefined);
        this.#finish(task, "completed", undefined);
        task.result = { bytes: command.result, type: command.resultType };
        return ok("completed");
      }
      case "fail": {
        const task = this.#running(command);
        if (task === undefined) return this.#ended(command, "failed");
        this.#fail(task, "failed", command.error, command.retryable, command.retryAfterMs ?? 0);
        return ok(task.state);
      }
      case "cancel":
        return this.#cancel(command.id, command.reason);
      case "retry":
        return this.#retry(command.id, hex(command.requestId));
      case "delete":
        return this.#delete(command.id, hex(command.requestId));
      case "register":
        return this.#register(command);
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
        for (const task of this.#leases(session.id)) this.#release(task);
        this.sessions = this.sessions.filter((other) => other !== session);
        return ok(undefined);
      }
      case "lapse":
        return this.#lapse(command.session, command.renewals);
      case "wake":
        this.#wake(command.max);
        return ok(undefined);
      case "takeOffice":
        this.#takeOffice();
        return ok(undefined);
    }
  }

  #submit(command: Extract<Command, { type: "submit" }>): Reply {
    const { id, content, retry, depthLimit } = command;
    const known = this.#known(id, content);
    if (known !== undefined) return known;
    const time = Number.parseInt(hex(id).slice(0, 12), 16);
    if (time < this.now - DAY || time > this.now + MINUTES_5) return refused("id_out_of_window");
    const key = `${content.queue} ${content.idempotencyKey}`;
    const first = content.idempotencyKey === "" ? undefined : this.keys.get(key);
    if (first !== undefined && first.at + DAY > this.now) {
      const same = this.tasks.find((task) => hex(task.id) === first.id);
      const answer = same === undefined ? undefined : this.#known(same.id, content);
      if (answer !== undefined) return answer;
    }
    const depth = this.tasks.filter(
      (task) => !FINAL.includes(task.state) && task.content.queue === content.queue,
    ).length;
    if (depthLimit > 0 && depth >= depthLimit) return refused("queue_full");
    if (content.idempotencyKey !== "") this.keys.set(key, { id: hex(id), at: this.now });
    const dueAt = content.runAt > 0 ? content.runAt : this.now + content.delayMs;
    const state = dueAt > this.now ? "scheduled" : "pending";
    const task = newTask({
      id,
      content,
      retry,
      state,
      order: this.nextOrder++,
      dueAt,
      createdAt: this.now,
    });
    this.tasks.push(task);
    return { code: "ok", id, state: task.state, duplicate: false };
  }

  #known(id: TaskId, content: TaskContent): Reply | undefined {
    const task = this.find(id);
    if (task === undefined) return undefined;
    if (flat(task.content) !== flat(content)) return refused("idempotency_mismatch");
    const state = task.deleted ? undefined : task.state;
    return { code: "ok", id: task.id, state, duplicate: true };
  }

  #lease(id: string, count: number): Reply {
    const session = this.sessions.find((other) => other.id === id && !other.lapsed);
    if (session === undefined) return refused("not_found");
    const tokens: number[] = [];
    while (tokens.length < count) {
      const pending = this.tasks.filter(
        ({ state, content }) =>
          state === "pending" &&
          session.types.includes(content.type) &&
          (session.queues.length === 0 || session.queues.includes(content.queue)),
      );
      pending.sort(
        (a, b) =>
          PRIORITIES.indexOf(b.content.priority) - PRIORITIES.indexOf(a.content.priority) ||
          a.order - b.order,
      );
      const task = pending[0];
      if (task === undefined) break;
      const token = this.nextToken++;
      tokens.push(token);
      task.deliveries++;
      task.startedAt = this.now;
      task.extendedTo = 0;
      this.#move(task, "running");
      task.attempts.push(newAttempt(task, session, token, this.now));
    }
    return { code: "leased", granted: tokens.length, tokens };
  }

  #running({ id, token }: { id: TaskId; token: number }): Task | undefined {
    const task = this.find(id);
    const isIt = task?.state === "running" && task.attempts.at(-1)?.token === token;
    return isIt ? task : undefined;
  }

  #ended({ id, token }: { id: TaskId; token: number }, wanted: AttemptOutcome | undefined): Reply {
    const task = this.find(id);
    if (task === undefined || task.deleted) return refused("not_found");
    const last = task.attempts.filter((attempt) => attempt.outcome !== undefined).at(-1);
    const same = wanted !== undefined && last?.token === token && last.outcome === wanted;
    return same ? ok(task.state, true) : refused("stale_token");
  }

  #fail(
    task: Task,
    outcome: "failed" | "timeout",
    error: TaskError,
    retryable: boolean,
    afterMs: number,
  ): void {
    this.#endAttempt(task, outcome, error);
    task.failures++;
    if (!retryable || task.failures > task.retry.maxRetries) {
      this.#finish(task, "dead", error);
      return;
    }
    const number = task.attempts.length;
    const delay = Math.max(retryDelayMs(task.retry, task.failures, task.id, number), afterMs);
    task.dueAt = this.now + delay;
    this.#move(task, delay > 0 ? "retrying" : "pending");
  }

  #release(task: Task): void {
    this.#endAttempt(task, "released", undefined);
    task.deliveries--;
    this.#move(task, "pending");
  }

  #lapseRun(task: Task): void {
    if (task.deliveries < 20) {
      this.#endAttempt(task, "lapsed", undefined);
      this.#move(task, "pending");
      return;
    }
    const times = `delivered ${task.deliveries} times`;
    const message = `${times}, and the last worker vanished without a report`;
    this.#endAttempt(task, "lapsed", { message, stack: "" });
    this.#finish(task, "dead", { message, stack: "" });
  }

  #cancel(id: TaskId, reason: string): Reply {
    const task = this.find(id);
    if (task === undefined || task.deleted) return refused("not_found");
    if (task.state === "cancelled") return ok("cancelled", true);
    if (FINAL.includes(task.state)) return refused("state_conflict");
    const error = reason === "" ? undefined : { message: reason, stack: "" };
    if (task.state === "running") this.#endAttempt(task, "cancelled", error);
    this.#finish(task, "cancelled", error);
    return ok("cancelled");
  }

  #retry(id: TaskId, request: string): Reply {
    const task = this.find(id);
    if (task === undefined || task.deleted) return refused("not_found");
    if (task.request === request) return ok(task.state, true);
    if (task.state !== "dead" && task.state !== "cancelled") return refused("state_conflict");
    task.request = request;
    task.failures = 0;
    task.deliveries = 0;
    task.finishedAt = 0;
    task.order = this.nextOrder++;
    this.#move(task, "pending");
    return ok("pending");
  }

  #delete(id: TaskId, request: string): Reply {
    const task = this.find(id);
    if (task === undefined) return refused("not_found");
    if (!task.deleted) {
      if (!FINAL.includes(task.state)) return refused("state_conflict");
      task.deleted = true;
      task.deleteRequest = request;
      task.until = task.createdAt + DAY + MINUTES_5;
      if (task.until <= this.now) this.forget(task);
      return ok(undefined);
    }
    const same = task.deleteRequest === request;
    if (task.until <= this.now) this.forget(task);
    return same ? ok(undefined, true) : refused("not_found");
  }

  protected forget(task: Task): void {
    this.tasks = this.tasks.filter((other) => other !== task);
    const key = `${task.content.queue} ${task.content.idempotencyKey}`;
    if (this.keys.get(key)?.id === hex(task.id)) this.keys.delete(key);
  }

  #register(command: Extract<Command, { type: "register" }>): Reply {
    const known = this.sessions.find(({ id }) => id === command.session);
    const secret = hex(command.secret);
    if (known !== undefined && known.secret !== secret) return refused("permission_denied");
    if (command.types.length === 0 || command.leaseMs === 0) return refused("invalid_request");
    const { session: id, name, queues, types, leaseMs } = command;
    const renewals = known === undefined ? 0 : known.renewals + 1;
    const deadline = this.now + leaseMs;
    const fresh = { id, name, secret, queues, types, leaseMs, deadline, renewals, lapsed: false };
    if (known !== undefined) Object.assign(known, fresh);
    else this.sessions.push(fresh);
    // A running attempt shows the name that its worker has now.
    for (const task of this.#leases(id)) {
      task.attempts.push({ ...task.attempts.pop()!, worker: name });
    }
    return ok(undefined, known !== undefined);
  }

  #lapse(id: string, renewals: number): Reply {
    const session = this.sessions.find((other) => other.id === id && !other.lapsed);
    if (session === undefined) return ok(undefined, true);
    if (session.renewals !== renewals || session.deadline > this.now) {
      return refused("state_conflict");
    }
    session.lapsed = true;
    for (const task of this.#leases(id)) {
      if (task.extendedTo <= this.now) this.#lapseRun(task);
    }
    this.#dropLapsed();
    return ok(undefined);
  }

  #wake(max: number): void {
    for (let moved = 0; moved < Math.min(max, 1000); moved++) {
      const due = this.tasks
        .map((task) => ({ task, at: this.#timer(task) }))
        .filter(({ at }) => at <= this.now);
      due.sort((a, b) => a.at - b.at || a.task.order - b.task.order);
      const first = due[0];
      if (first === undefined) return;
      this.#wakeOne(first.task);
    }
  }

  #wakeOne(task: Task): void {
    const { timeoutMs } = task.content;
    if (task.state !== "running") {
      this.#move(task, "pending");
    } else if (timeoutMs > 0 && task.startedAt + timeoutMs <= this.#timer(task)) {
      const message = `the run took longer than its timeout of ${timeoutMs} ms`;
      this.#fail(task, "timeout", { message, stack: "" }, true, 0);
    } else {
      this.#lapseRun(task);
    }
    this.#dropLapsed();
  }

  #timer(task: Task): number {
    if (task.state === "scheduled" || task.state === "retrying") return task.dueAt;
    if (task.state !== "running") return Number.POSITIVE_INFINITY;
    const { timeoutMs } = task.content;
    const timeoutAt = timeoutMs > 0 ? task.startedAt + timeoutMs : Number.POSITIVE_INFINITY;
    const session = this.sessions.find(({ id }) => id === task.attempts.at(-1)?.session);
    return session?.lapsed ? Math.min(timeoutAt, task.extendedTo) : timeoutAt;
  }

  #takeOffice(): void {
    for (const session of this.sessions) {
      const until = this.now + session.leaseMs;
      if (session.lapsed) {
        for (const task of this.#leases(session.id)) {
          task.extendedTo = Math.max(task.extendedTo, until);
        }
      } else {
        session.deadline = Math.max(session.deadline, until);
        session.renewals++;
      }
    }
  }

  /** Running tasks of a session, oldest grant first. */
  #leases(session: string): Task[] {
    const running = this.tasks.filter(
      (task) => task.state === "running" && task.attempts.at(-1)?.session === session,
    );
    return running.sort((a, b) => a.attempts.at(-1)!.token - b.attempts.at(-1)!.token);
  }

  #endAttempt(task: Task, outcome: AttemptOutcome, error: TaskError | undefined): void {
    const attempt = task.attempts.pop()!;
    task.attempts.push({ ...attempt, endedAt: this.now, outcome, error });
    task.extendedTo = 0;
    task.state = "pending";
    this.#dropLapsed();
  }

  #finish(task: Task, state: TaskState, error: TaskError | undefined): void {
    this.#move(task, state);
    task.error = error;
    task.finishedAt = this.now;
  }

  #move(task: Task, state: TaskState): void {
    task.state = state;
    task.updatedAt = this.now;
  }

  #dropLapsed(): void {
    this.sessions = this.sessions.filter(
      ({ lapsed, id }) => !lapsed || this.#leases(id).length > 0,
    );
  }
}
