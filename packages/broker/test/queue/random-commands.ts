/**
 * Where the random commands of the model test and of `random-million.ts` come from: makes a command
 * of the dice of a step, mostly one that makes sense as things stand.
 */
import type { Command } from "../../src/queue/command.ts";
import type { Priority, TaskContent, TaskId } from "../../src/queue/task.ts";
import { PRIORITIES } from "../../src/queue/task.ts";
import {
  bytesOf,
  completeOf,
  failOf,
  HOUR,
  makeContent,
  makeId,
  RETRY,
  registerOf,
} from "./harness.ts";
import { FINAL } from "./naive-state.ts";
import { someKey } from "./random-keys.ts";
import {
  type Known,
  type KnownTask,
  LATER_COMMANDS,
  LATER_CONTENTS,
  type Step,
  type Table,
} from "./random-later.ts";
import { LABELS } from "./random-turns.ts";

export const QUEUES = ["a", "b"];
const TYPES = ["mail", "sms"];
const SESSIONS = ["w1", "w2", "w3"];

/** Mostly short, sometimes beyond a lease, seldom beyond the window of ids and keys. */
export const STEPS_MS: readonly number[] = [
  1,
  50,
  900,
  5_000,
  5_000,
  12_000,
  21_000,
  31_000,
  60_000,
  HOUR,
  1,
  1,
  25 * HOUR,
];

export class RandomCommands implements Table {
  readonly driver: Table["driver"];
  readonly model: Known;
  /** Of tasks that have been submitted, or were meant to be. */
  readonly ids: TaskId[] = [];
  readonly queues = QUEUES;
  readonly types = TYPES;
  readonly sessions = SESSIONS;
  #serial = 0;

  constructor(driver: Table["driver"], model: Known) {
    this.driver = driver;
    this.model = model;
  }

  command(step: Step): Command {
    const { kind, a, b, c, d } = step;
    if (this.model.version >= 3 && d % 3 === 0 && LATER_COMMANDS.length > 0) {
      return LATER_COMMANDS[Math.floor(d / 3) % LATER_COMMANDS.length]!(this, step);
    }
    if (this.model.version >= 4 && d % 12 === 1) return someKey(this, step);
    if (this.model.version >= 4 && d % 12 === 5) {
      const id = this.idOf(a, isRunning);
      return { type: "recall", id, token: this.token(id, b) };
    }
    if (kind < 36) return this.submit(a, b, c, d);
    if (kind < 42) return this.#register(a, b, c);
    if (kind < 56) return { type: "lease", session: SESSIONS[a % 3]!, count: b % 5 };
    if (kind < 62) return { type: "wake", max: b % 4 === 0 ? 1 : 500 };
    if (kind < 66) return this.#due(a, b);
    const id = this.idOf(a, kind < 85 ? isRunning : isFinished);
    const token = this.token(id, b);
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

  submit(a: number, b: number, c: number, d: number) {
    const content = makeContent({
      queue: QUEUES[b % 2]!,
      type: TYPES[c % 2]!,
      priority: PRIORITIES[b % 4] as Priority,
      payload: bytesOf(`${a % 40 === 0}`),
      delayMs: c % 10 === 0 ? c * 10 : 0,
      runAt: c % 11 === 0 ? this.driver.now + b * 100 - 20_000 : 0,
      timeoutMs: b % 3 === 0 ? (c % 4) * 20_000 : 0,
      idempotencyKey: b % 5 < 2 ? `key ${c % 3}` : "",
      ...this.#laterContent(c, d),
    });
    const retry = { ...RETRY, maxRetries: b % 3, initialDelayMs: (a % 3) * 700, jitter: 0.1 };
    const id = this.newId(a);
    const known = this.model.find(id);
    // A known id comes mostly with the content it had.
    const again = known !== undefined && c % 3 !== 0 ? known.content : content;
    const depthLimit = c % 7 === 0 ? 3 : 0;
    return { type: "submit" as const, id, content: again, retry, depthLimit };
  }

  #laterContent(c: number, d: number): Partial<TaskContent> {
    if (this.model.version < 3 || d % 2 === 0 || LATER_CONTENTS.length === 0) return {};
    // Of `d` alone some values never come this far: it chooses the command as well.
    const dice = (d >> 1) * 7 + (c % 7);
    const make = LATER_CONTENTS[dice % LATER_CONTENTS.length]!;
    return make(this, Math.floor(dice / LATER_CONTENTS.length));
  }

  #register(a: number, b: number, c: number): Command {
    return registerOf(SESSIONS[a % 3]!, {
      secret: bytesOf(c % 15 === 0 ? "wrong" : "right"),
      name: `name ${c % 2}`,
      queues: b % 3 === 0 ? ["a"] : [],
      types: b % 16 === 0 ? [] : TYPES.slice(b % 3 === 0 ? 1 : 0),
      labels: LABELS.slice(c % 3),
      leaseMs: 30_000,
    });
  }

  /** What the leader would propose now, or an old proposal that comes late. */
  #due(a: number, b: number): Command {
    const due = this.driver.machine.dueCommands(this.driver.now);
    if (due.length > 0 && b % 4 !== 0) return due[b % due.length]!;
    return { type: "lapse", session: SESSIONS[a % 3]!, renewals: b % 4 };
  }

  newId(a: number): TaskId {
    const at = a % 20;
    if (at % 4 !== 0 || this.ids.length === 0) {
      const skew = a % 50 === 1 ? 10 * 60_000 : 0;
      this.ids.push(makeId(++this.#serial, this.driver.now + skew));
      return this.ids.at(-1)!;
    }
    return this.id(a);
  }

  id(a: number): TaskId {
    return this.ids[a % (this.ids.length + 1)] ?? makeId(0, this.driver.now);
  }

  /** Mostly a task for which the command makes sense. */
  idOf(a: number, wanted: (task: KnownTask) => boolean): TaskId {
    const tasks = this.model.tasks.filter(wanted);
    return a % 4 === 0 ? this.id(a) : (tasks[a % tasks.length]?.id ?? this.id(a));
  }

  token(id: TaskId, b: number): number {
    const attempts = this.model.find(id)?.attempts ?? [];
    const token = attempts.at(b % 5 === 0 ? -2 : -1)?.token;
    return b % 11 === 0 ? b % 3 : (token ?? 0);
  }
}

function isRunning(task: KnownTask): boolean {
  return task.state === "running";
}

function isFinished(task: KnownTask): boolean {
  return FINAL.includes(task.state);
}
