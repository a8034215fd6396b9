/**
 * Random commands against the naive model: every reply, task and counter must agree, with flushes
 * that begin and end anywhere and restarts that lose what was not flushed. A restarted machine
 * must have the hash of the one it replaces, and behave like it from then on.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Command } from "../../src/queue/command.ts";
import type { Reply } from "../../src/queue/reply.ts";
import type { Priority, TaskId } from "../../src/queue/task.ts";
import { PRIORITIES, TASK_STATES } from "../../src/queue/task.ts";
import {
  bytesOf,
  completeOf,
  Driver,
  failOf,
  HOUR,
  makeContent,
  makeId,
  RETRY,
  registerOf,
} from "./harness.ts";
import { NaiveModel } from "./naive-model.ts";
import { FINAL, hex, type Task, viewOf } from "./naive-state.ts";

const QUEUES = ["a", "b"];
const TYPES = ["mail", "sms"];
const SESSIONS = ["w1", "w2", "w3"];

/** Mostly short, sometimes beyond a lease, seldom beyond the window of ids and keys. */
const STEPS_MS = [1, 50, 900, 5_000, 5_000, 12_000, 21_000, 31_000, 60_000, HOUR, 1, 1, 25 * HOUR];

interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const step = fc.record({
  kind: fc.nat(99),
  a: fc.nat(999),
  b: fc.nat(999),
  c: fc.nat(999),
});

/** Both sides of the comparison, and the turns of a run. */
class Duel {
  readonly driver = new Driver();
  readonly model = new NaiveModel();
  readonly ids: TaskId[] = [];

  /** Begins with the first version, and goes over to `version` after the step number `raiseAt`. */
  play(steps: readonly Step[], version: number, raiseAt: number): void {
    for (const [place, given] of steps.entries()) {
      if (place === raiseAt && version > 1) this.driver.raise(version);
      this.#act(given);
      if (given.kind % 7 === 0) this.compare();
    }
    this.driver.flush();
    this.compare();
    this.#restart();
    this.compare();
  }

  compare(): void {
    const { machine } = this.driver;
    for (const id of this.ids) this.#compareTask(id);
    for (const state of TASK_STATES) {
      expect(machine.counts()[state], state).toBe(this.model.count(state));
      for (const queue of QUEUES) {
        const counted = machine.queue(queue)?.counts[state] ?? 0;
        expect(counted, `${queue} ${state}`).toBe(this.model.count(state, queue));
      }
    }
    const sessions = machine.sessions().map(({ id, deadline, renewals, lapsed }) => {
      return { id, deadline, renewals, lapsed };
    });
    const wanted = this.model.sessions.map(({ id, deadline, renewals, lapsed }) => {
      return { id, deadline, renewals, lapsed };
    });
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    expect(sessions.sort(byId)).toEqual(wanted.sort(byId));
  }

  #compareTask(id: TaskId): void {
    const view = this.driver.machine.task(id);
    const task = this.model.find(id);
    if (view === undefined || task === undefined || task.deleted) {
      expect(view).toBeUndefined();
      expect(task?.deleted ?? true).toBe(true);
      return;
    }
    const { content, lease, ...rest } = view;
    expect(content).toEqual(task.content);
    expect({ ...rest, session: lease?.session }).toEqual(viewOf(task));
  }

  #act(given: Step): void {
    const { kind, a } = given;
    if (kind < 3) this.driver.beginFlush();
    else if (kind < 6) this.driver.endFlush();
    else if (kind < 8) this.#restart();
    else if (kind < 18) this.driver.now += STEPS_MS[a % STEPS_MS.length]!;
    else this.#send(this.#command(given));
  }

  #send(command: Command): void {
    const wanted = this.model.apply({ at: this.driver.now, commands: [command] });
    const replies = this.driver.apply(command);
    expect(replies.map(plain), JSON.stringify(command)).toEqual(wanted.map(plain));
  }

  #restart(): void {
    const before = this.driver.machine;
    this.driver.restart();
    expect(this.driver.machine.effectHash).toBe(before.effectHash);
    expect(this.driver.machine.version).toBe(before.version);
    expect(this.driver.machine.nextDeadline()).toBe(before.nextDeadline());
  }

  #command({ kind, a, b, c }: Step): Command {
    if (kind < 36) return this.#submit(a, b, c);
    if (kind < 42) return this.#register(a, b, c);
    if (kind < 56) return { type: "lease", session: SESSIONS[a % 3]!, count: b % 5 };
    if (kind < 62) return { type: "wake", max: b % 4 === 0 ? 1 : 500 };
    if (kind < 66) return this.#due(a, b);
    const id = this.#idOf(a, kind < 85 ? isRunning : isFinished);
    const token = this.#token(id, b);
    if (kind < 72) return completeOf(id, token);
    if (kind < 79) {
      const retryAfterMs = c % 3 === 0 ? c * 10 : undefined;
      return failOf(id, token, { retryAfterMs, retryable: c % 9 !== 0 });
    }
    if (kind < 82) return { type: "extend", id, token, forMs: c * 100 };
    if (kind < 85) return { type: "release", id, token };
    if (kind < 88) return { type: "cancel", id, reason: c % 2 === 0 ? "" : "not needed" };
    if (kind < 92) return { type: "retry", id, requestId: bytesOf(`r${c % 3}`) };
    if (kind < 95) return { type: "delete", id, requestId: bytesOf(`d${c % 2}`) };
    if (kind < 97) return { type: "renew", sessions: SESSIONS.slice(a % 3) };
    return kind === 97 ? { type: "unregister", session: SESSIONS[a % 3]! } : { type: "takeOffice" };
  }

  #submit(a: number, b: number, c: number): Command {
    const content = makeContent({
      queue: QUEUES[b % 2]!,
      type: TYPES[c % 2]!,
      priority: PRIORITIES[b % 4] as Priority,
      payload: bytesOf(`${a % 40 === 0}`),
      delayMs: c % 10 === 0 ? c * 10 : 0,
      runAt: c % 11 === 0 ? this.driver.now + b * 100 - 20_000 : 0,
      timeoutMs: b % 3 === 0 ? (c % 4) * 20_000 : 0,
      idempotencyKey: b % 5 < 2 ? `key ${c % 3}` : "",
    });
    const retry = { ...RETRY, maxRetries: b % 3, initialDelayMs: (a % 3) * 700, jitter: 0.1 };
    const id = this.#newId(a);
    const known = this.model.find(id);
    // A known id comes mostly with the content it had.
    const again = known !== undefined && c % 3 !== 0 ? known.content : content;
    return { type: "submit", id, content: again, retry, depthLimit: c % 7 === 0 ? 3 : 0 };
  }

  #register(a: number, b: number, c: number): Command {
    return registerOf(SESSIONS[a % 3]!, {
      secret: bytesOf(c % 15 === 0 ? "wrong" : "right"),
      name: `name ${c % 2}`,
      queues: b % 3 === 0 ? ["a"] : [],
      types: b % 16 === 0 ? [] : TYPES.slice(b % 3 === 0 ? 1 : 0),
      leaseMs: 30_000,
    });
  }

  /** What the leader would propose now, or an old proposal that comes late. */
  #due(a: number, b: number): Command {
    const due = this.driver.machine.dueCommands(this.driver.now);
    if (due.length > 0 && b % 4 !== 0) return due[b % due.length]!;
    return { type: "lapse", session: SESSIONS[a % 3]!, renewals: b % 4 };
  }

  #newId(a: number): TaskId {
    const at = a % 20;
    if (at % 4 !== 0 || this.ids.length === 0) {
      const skew = a % 50 === 1 ? 10 * 60_000 : 0;
      this.ids.push(makeId(this.ids.length + 1, this.driver.now + skew));
      return this.ids.at(-1)!;
    }
    return this.#id(a);
  }

  #id(a: number): TaskId {
    return this.ids[a % (this.ids.length + 1)] ?? makeId(0, this.driver.now);
  }

  /** Mostly a task for which the command makes sense. */
  #idOf(a: number, wanted: (task: Task) => boolean): TaskId {
    const tasks = this.model.tasks.filter(wanted);
    return a % 4 === 0 ? this.#id(a) : (tasks[a % tasks.length]?.id ?? this.#id(a));
  }

  #token(id: TaskId, b: number): number {
    const attempts = this.model.find(id)?.attempts ?? [];
    const token = attempts.at(b % 5 === 0 ? -2 : -1)?.token;
    return b % 11 === 0 ? b % 3 : (token ?? 0);
  }
}

function isRunning(task: Task): boolean {
  return task.state === "running";
}

function isFinished(task: Task): boolean {
  return FINAL.includes(task.state);
}

/** Without the messages, which are for people. */
function plain(reply: Reply): unknown {
  if (reply.code === "leased") return reply;
  if (reply.code !== "ok") return reply.code;
  return { ...reply, id: reply.id === undefined ? undefined : hex(reply.id) };
}

describe.each([1, 2])("machine and naive model at version %i", (version) => {
  test("agree on every reply, task and counter", () => {
    const steps = fc.array(step, { minLength: 20, maxLength: 200, size: "max" });
    fc.assert(
      fc.property(steps, fc.nat(40), (given, at) => new Duel().play(given, version, at)),
      { numRuns: 40 },
    );
  });
});
