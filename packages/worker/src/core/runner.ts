/**
 * Runs what was delivered: at most `concurrency` handlers at a time, the rest waits in order of
 * arrival. It knows nothing of connections: it is told what arrived and what was lost, and it
 * reports how runs ended.
 *
 * A token is run at most once at a time, and a run whose lease was lost reports nothing.
 */
import { runThrough } from "task-queue-client/connection";
import type { DeliveredTask } from "task-queue-protocol";
import type { Clock, Timer } from "../clock.ts";
import { type AbortCause, TaskAborted } from "../errors.ts";
import type { Handlers } from "../handler.ts";
import type { Logger } from "../logger.ts";
import type { RunMiddleware } from "../middleware.ts";
import { Context } from "./context.ts";
import { Held } from "./held.ts";
import type { Report } from "./link.ts";
import type { Notes } from "./notes.ts";
import { decodePayload, encodeFailure, encodeResult } from "./payload.ts";
import type { RunEvents } from "./run-events.ts";

/** How long a handler whose lease is lost may take before what waits behind it goes elsewhere. */
const HEED_MS = 1_000;

export interface RunnerOptions {
  readonly handlers: Handlers;
  readonly concurrency: number;
  /** Tasks that may wait here beside those that run. */
  readonly prefetch: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly middleware: readonly RunMiddleware[];
  readonly mintId?: (() => string) | undefined;
  /** Largest result, in bytes; asked when a run ends, since a link may change it. */
  resultBytesMax(): number;
  report(report: Report): void;
  extend(held: Held, forMs: number): Promise<void>;
  readonly notes: Notes;
  readonly events: RunEvents;
  /** Runs that lost their lease came or went: the worker can hold fewer or more tasks. */
  abandonedChanged(): void;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #held = new Map<number, Held>();
  #waiting: Held[] = [];
  #running = 0;
  #abandoned = 0;
  #accepting = true;
  #pumping = false;
  #whenIdle: (() => void)[] = [];
  #givingBack: Timer | undefined;
  /** Runs that ended by themselves, whatever their outcome. */
  finished = 0;
  completed = 0;
  failed = 0;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Handlers at work whose outcome still counts. */
  get running(): number {
    return this.#running - this.#abandoned;
  }

  get waiting(): number {
    return this.#waiting.reduce((count, each) => count + (each.phase === "waiting" ? 1 : 0), 0);
  }

  /** Handlers at work although their lease is lost; each occupies a place until it returns. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /**
   * How many tasks this worker can hold. A handler that does not return although its lease is gone
   * leaves less room for others, and none when there is no place left to run them in.
   */
  get room(): number {
    const { concurrency, prefetch } = this.#options;
    const places = concurrency - this.#abandoned;
    return places > 0 ? places + prefetch : 0;
  }

  /** Leases that this worker believes to hold, reported ones included until they are answered. */
  heldTokens(): number[] {
    const tokens: number[] = [];
    for (const held of this.#held.values()) {
      if (held.phase !== "abandoned") tokens.push(held.token);
    }
    return tokens;
  }

  deliver(tasks: readonly DeliveredTask[]): void {
    const now = this.#options.clock.now();
    for (const task of tasks) {
      const known = this.#held.get(task.token);
      // The broker repeats leases after a reconnect. What runs here already goes on running.
      if (known !== undefined && known.phase !== "abandoned") continue;
      // A run that was given up but has not returned must not be started again beside itself.
      if (known !== undefined) {
        this.#release(task);
        continue;
      }
      const held = new Held(task, now);
      this.#held.set(task.token, held);
      if (this.#accepting) this.#waiting.push(held);
      else this.#giveBack(held);
    }
    this.#pump();
    this.#watchExcess();
  }

  /** The lease is gone: by the broker's word, or because it could not be renewed in time. */
  lose(token: number, why: AbortCause): void {
    const held = this.#held.get(token);
    if (held?.phase === "waiting") this.#forget(held);
    if (held?.phase !== "running") return;
    this.#abandon(held, why);
  }

  /**
   * No lease of the session is certain any more, save those with an extension of their own. Answers
   * when the next of these ends, undefined when there is none.
   */
  lapse(): number | undefined {
    const now = this.#options.clock.now();
    let next: number | undefined;
    for (const held of [...this.#held.values()]) {
      if (held.phase === "running" && held.extendedUntil > now) {
        next = Math.min(next ?? held.extendedUntil, held.extendedUntil);
      } else {
        this.lose(held.token, "lease-lost");
      }
    }
    return next;
  }

  /** The broker has answered this task's report: nothing more to remember. */
  closeCase(token: number, taken: Report | undefined): void {
    const held = this.#held.get(token);
    if (held?.phase !== "reported") return;
    this.#forget(held);
    if (held.startedAt !== undefined) this.#options.events.reported(held, taken);
  }

  /** Nobody answers any more: what has ended and was not reported is lost. */
  forsakeReports(): void {
    for (const held of [...this.#held.values()]) {
      if (held.phase !== "reported") continue;
      this.#forget(held);
      if (held.startedAt !== undefined) this.#options.events.aborted(held, "shutdown");
    }
  }

  /** Takes no more tasks and gives back what has not begun. Answers how many that were. */
  quiet(): number {
    this.#accepting = false;
    this.#givingBack?.cancel();
    this.#givingBack = undefined;
    const waiting = this.#waiting.filter((held) => held.phase === "waiting");
    this.#waiting = [];
    for (const held of waiting) this.#giveBack(held);
    return waiting.length;
  }

  /** Takes tasks again. */
  accept(): void {
    this.#accepting = true;
  }

  /** Asks every running handler to end; those that do so by an exception are given back. */
  abortRunning(): number {
    const running = this.#inPhaseRunning();
    for (const held of running) held.abort("shutdown");
    return running.length;
  }

  /** Gives back what has not heeded its signal. */
  abandonRunning(): number {
    const running = this.#inPhaseRunning();
    for (const held of running) {
      // In this order: between the two the worker would seem to be at rest.
      this.#release(held.task);
      this.#abandon(held, "shutdown");
    }
    return running.length;
  }

  /** Resolves once no handler is at work whose outcome counts. */
  idle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
    });
  }

  #inPhaseRunning(): Held[] {
    return [...this.#held.values()].filter((held) => held.phase === "running");
  }

  /** Starts waiting tasks while there is room. A handler that is not asynchronous ends in here. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#running < this.#options.concurrency && this.#waiting.length > 0) {
      const held = this.#waiting.shift();
      if (held?.phase === "waiting") this.#start(held);
    }
    this.#pumping = false;
  }

  #start(held: Held): void {
    const { clock } = this.#options;
    const { timeoutMs } = held.task;
    held.phase = "running";
    held.startedAt = clock.now();
    this.#running++;
    this.#options.events.started(held);
    if (timeoutMs > 0) {
      const leftMs = timeoutMs - (clock.now() - held.arrivedAt);
      if (leftMs <= 0) {
        this.#failed(held, new Error(lateStart(timeoutMs)));
        return;
      }
      held.timeout = clock.after(leftMs, () => held.abort("timeout"));
    }
    let outcome: unknown;
    try {
      outcome = this.#call(held);
    } catch (thrown) {
      this.#failed(held, thrown);
      return;
    }
    if (!isPromiseLike(outcome)) {
      this.#completed(held, outcome);
      return;
    }
    // What only looks like a promise may throw, or settle twice.
    Promise.resolve(outcome).then(
      (result) => this.#completed(held, result),
      (thrown) => this.#failed(held, thrown),
    );
  }

  #call(held: Held): unknown {
    const { handlers, logger, extend, notes, mintId, middleware } = this.#options;
    const { type } = held.task;
    const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined;
    if (handler === undefined) throw new Error(`this worker has no handler for "${type}"`);
    const context = new Context(held, logger, extend, notes, mintId);
    const payload = decodePayload(held.task);
    if (middleware.length === 0) return handler(payload, context);
    context.payload = payload;
    const work = async (): Promise<void> => {
      context.result = await handler(context.payload, context);
    };
    return runThrough(middleware, context, work).then(() => context.result);
  }

  #completed(held: Held, value: unknown): void {
    const { id, token } = held.task;
    let report: Report;
    try {
      const result = encodeResult(value, this.#options.resultBytesMax());
      const { children } = held;
      report = { kind: "complete", id, token, ...result, ...(children && { children }) };
    } catch (refusal) {
      this.#failed(held, refusal);
      return;
    }
    if (held.phase === "running") this.completed++;
    held.result = value;
    this.#ended(held, report);
  }

  #failed(held: Held, thrown: unknown): void {
    const { id, token, timeoutMs } = held.task;
    if (held.aborted === "shutdown") {
      this.#ended(held, { kind: "release", id, token });
      return;
    }
    const timedOut = held.aborted === "timeout" && isAbortion(thrown);
    const cause = timedOut ? new Error(`the run took longer than ${timeoutMs} ms`) : thrown;
    const failure = encodeFailure(cause);
    held.thrown = cause;
    if (held.phase === "running") {
      this.failed++;
      const fields = { task: held.id, type: held.task.type, attempt: held.task.attempt };
      this.#options.logger.warn({ ...fields, error: failure.message }, "a task failed");
    }
    this.#ended(held, { kind: "fail", id, token, ...failure });
  }

  #ended(held: Held, report: Report): void {
    held.timeout?.cancel();
    held.endedAt = this.#options.clock.now();
    this.#options.notes.ended(held);
    this.#running--;
    if (held.phase === "abandoned") {
      this.#abandoned--;
      this.#forget(held);
      const fields = { task: held.id, type: held.task.type, why: held.aborted };
      this.#options.logger.info(fields, "a run ended after its lease was lost; not reported");
      this.#options.abandonedChanged();
    } else {
      held.phase = "reported";
      if (report.kind !== "release") this.finished++;
      this.#options.report(report);
    }
    this.#pump();
    this.#wakeIdle();
  }

  #abandon(held: Held, why: AbortCause): void {
    held.phase = "abandoned";
    this.#abandoned++;
    held.timeout?.cancel();
    held.abort(why);
    const fields = { task: held.id, type: held.task.type, token: held.token, why };
    this.#options.logger.warn(fields, "a run was told to stop");
    this.#options.events.aborted(held, held.aborted ?? why);
    this.#options.abandonedChanged();
    this.#watchExcess();
    this.#wakeIdle();
  }

  /**
   * Before the broker hears that there is less room it may give another task, even the very one
   * that was taken from a handler that hangs: behind that it would wait for ever.
   */
  #watchExcess(): void {
    if (this.#abandoned === 0 || !this.#accepting) return;
    this.#givingBack ??= this.#options.clock.after(HEED_MS, () => {
      this.#givingBack = undefined;
      this.#giveBackExcess();
    });
  }

  /** The newest first: they would wait longest. */
  #giveBackExcess(): void {
    if (this.#abandoned === 0) return;
    const waiting = this.#waiting.filter((held) => held.phase === "waiting");
    const excess = this.running + waiting.length - this.room;
    for (const held of waiting.reverse().slice(0, Math.max(0, excess))) this.#giveBack(held);
  }

  #giveBack(held: Held): void {
    held.phase = "reported";
    this.#release(held.task);
  }

  #release(task: DeliveredTask): void {
    this.#options.report({ kind: "release", id: task.id, token: task.token });
  }

  #forget(held: Held): void {
    held.phase = "gone";
    this.#held.delete(held.token);
  }

  #wakeIdle(): void {
    if (this.running > 0 || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }
}

function lateStart(timeoutMs: number): string {
  return `the timeout of ${timeoutMs} ms passed while the task waited here; lower the prefetch`;
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

/** What code that heeds a signal throws: the signal's reason, or the platform's `AbortError`. */
function isAbortion(thrown: unknown): boolean {
  return thrown instanceof TaskAborted || (thrown instanceof Error && thrown.name === "AbortError");
}
