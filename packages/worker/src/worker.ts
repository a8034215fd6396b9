/**
 * A worker: the connection, the lease, the runs and the reports, put together. Each part knows its
 * own business only; what one has to tell another goes through here.
 *
 * Running tasks outlive connections: they end early only when the broker says so, when the lease
 * cannot be renewed in time, or when the worker is stopped.
 */
import { demandMiddleware } from "task-queue-client/connection";
import type { Clock } from "./clock.ts";
import { Connector } from "./core/connector.ts";
import type { Held } from "./core/held.ts";
import { LeaseWatch } from "./core/lease-watch.ts";
import type { Dialer, Link, LinkListener, Registration } from "./core/link.ts";
import { Notes } from "./core/notes.ts";
import { Outbox } from "./core/outbox.ts";
import { Runner } from "./core/runner.ts";
import { Session } from "./core/session.ts";
import { within } from "./core/within.ts";
import type { AbortCause } from "./errors.ts";
import type { RunMiddleware } from "./middleware.ts";
import type { ResolvedOptions } from "./options.ts";

export type WorkerState = "idle" | "running" | "draining" | "stopped";

/** What became of the tasks that the worker held when it was stopped. */
export interface StopReport {
  /** Ran to their end, well or not. */
  readonly finished: number;
  /** Given back before they began. */
  readonly returned: number;
  /** Told to stop, and given back. */
  readonly aborted: number;
  /** Results that no broker could be told of; these tasks will run again. */
  readonly undelivered: number;
}

export interface StopOptions {
  readonly graceMs?: number;
  readonly abortMs?: number;
}

/** A worker's own figures, for health checks and curiosity. */
export interface WorkerStatus {
  readonly state: WorkerState;
  readonly connected: boolean;
  /** The broker it is registered with. */
  readonly broker: string | undefined;
  readonly running: number;
  readonly waiting: number;
  /** Still at work although their lease is lost. */
  readonly abandoned: number;
  readonly unreported: number;
  readonly completed: number;
  readonly failed: number;
  /** Connections to brokers that failed or broke. */
  readonly connectionErrors: number;
}

export interface WorkerParts {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly random: () => number;
  /** See `Surroundings`. */
  readonly mintId?: (() => string) | undefined;
}

const RESULT_BYTES_MAX = 1024 * 1024;
/** At least this long is allowed for the last reports to be answered. */
const LAST_REPORTS_MS = 5_000;
const BYE_MS = 2_000;

export class Worker {
  readonly #options: ResolvedOptions;
  readonly #clock: Clock;
  readonly #session = new Session();
  readonly #runner: Runner;
  readonly #outbox: Outbox;
  readonly #notes: Notes;
  readonly #watch: LeaseWatch;
  readonly #connector: Connector;
  readonly #middleware: RunMiddleware[] = [];
  #state: WorkerState = "idle";
  #link: Link | undefined;
  #warnedOfInterval = false;
  #whenLinked: (() => void)[] = [];
  #stopping: Promise<StopReport> | undefined;
  #resolveDone: () => void = () => {};
  /** Resolves when the worker has stopped. */
  readonly done: Promise<void>;

  constructor(options: ResolvedOptions, parts: WorkerParts) {
    this.#options = options;
    this.#clock = parts.clock;
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
    const { logger } = options;
    this.#outbox = new Outbox(parts.clock, logger, (token) => this.#runner.closeCase(token));
    this.#notes = new Notes(parts.clock);
    this.#runner = new Runner({
      ...options,
      notes: this.#notes,
      clock: parts.clock,
      mintId: parts.mintId,
      middleware: this.#middleware,
      resultBytesMax: () => this.#link?.resultBytesMax ?? RESULT_BYTES_MAX,
      report: (report) => this.#outbox.add(report),
      extend: (held, forMs) => this.#extend(held, forMs),
      abandonedChanged: () => this.#link?.setWindow(this.#window()),
    });
    this.#watch = new LeaseWatch(parts.clock, {
      beat: () => this.#link?.beat(),
      suspect: (silentMs) => this.#suspect(silentMs),
      lapsed: (silentMs) => this.#lapsed(silentMs),
    });
    this.#connector = new Connector({
      ...parts,
      addresses: options.servers,
      logger,
      registration: () => this.#registration(),
      listener: this.#listener(),
      linked: (link) => this.#linked(link),
      unlinked: (why) => this.#unlinked(why),
      sessionRefused: () => this.#sessionRefused(),
    });
  }

  /** The session's id, under which the brokers list this worker. */
  get id(): string {
    return this.#session.id;
  }

  /** As the brokers' lists show it. */
  get name(): string {
    return this.#options.name;
  }

  get state(): WorkerState {
    return this.#state;
  }

  get status(): WorkerStatus {
    const { running, waiting, abandoned, completed, failed } = this.#runner;
    const broker = this.#link?.address;
    const connected = broker !== undefined;
    const unreported = this.#outbox.size;
    const { state } = this;
    return {
      state,
      connected,
      broker,
      running,
      waiting,
      abandoned,
      unreported,
      completed,
      failed,
      connectionErrors: this.#connector.errors,
    };
  }

  /**
   * Puts `middleware` around every run, inside of what was put there before. Throws once the worker
   * has started.
   */
  use(middleware: RunMiddleware): this {
    if (this.#state !== "idle") throw new Error("middleware is to be in place before `start`");
    demandMiddleware(middleware);
    this.#middleware.push(middleware);
    return this;
  }

  /**
   * Begins to look for a broker, and for tasks. Resolves with the first registration, which may
   * take for ever: a worker waits for its brokers.
   */
  start(): Promise<void> {
    if (this.#state !== "idle") {
      return Promise.reject(new Error(`a worker starts once; this one is ${this.#state}`));
    }
    this.#state = "running";
    const linked = this.#nextLink();
    this.#connector.start();
    return Promise.race([linked, this.done]);
  }

  /**
   * Takes no more tasks, gives back those that have not begun, and resolves when the running ones
   * have ended and been reported. The worker stays registered until `stop`.
   */
  async drain(): Promise<void> {
    this.#quiet();
    await this.#runner.idle();
    await this.#outbox.empty();
  }

  /**
   * Drains for at most `graceMs`, then aborts what still runs and gives it back, and leaves the
   * cluster. A second call answers with the first one's report.
   */
  stop(options: StopOptions = {}): Promise<StopReport> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(options: StopOptions): Promise<StopReport> {
    const { graceMs = this.#options.graceMs, abortMs = this.#options.abortMs } = options;
    const clock = this.#clock;
    const finishedBefore = this.#runner.finished;
    const graceEnd = clock.now() + graceMs;
    const returned = this.#quiet();
    let aborted = 0;
    if (!(await within(clock, graceMs, this.#runner.idle()))) {
      const told = this.#runner.abortRunning();
      const finishedByThen = this.#runner.finished;
      await within(clock, abortMs, this.#runner.idle());
      aborted = told - (this.#runner.finished - finishedByThen);
      this.#runner.abandonRunning();
    }
    const reportsMs = Math.max(graceEnd - clock.now(), LAST_REPORTS_MS);
    await within(clock, reportsMs, this.#outbox.empty());
    await this.#leave();
    const finished = this.#runner.finished - finishedBefore;
    return { finished, returned, aborted, undelivered: this.#outbox.size };
  }

  async #leave(): Promise<void> {
    const late = this.#connector.stop();
    this.#watch.stop();
    this.#outbox.stop();
    this.#notes.detach();
    const link = this.#link ?? (await within(this.#clock, BYE_MS, late))?.value;
    this.#connector.abort();
    this.#link = undefined;
    if (link !== undefined) {
      const bye = link.bye().catch(() => {}); // The lease ends by itself when nobody hears it.
      await within(this.#clock, BYE_MS, bye);
      link.close();
    }
    this.#state = "stopped";
    this.#resolveDone();
  }

  #quiet(): number {
    if (this.#state === "running" || this.#state === "idle") this.#state = "draining";
    const returned = this.#runner.quiet();
    this.#link?.setWindow(0);
    return returned;
  }

  #registration(): Registration {
    const { name, queues, types, labels, concurrency } = this.#options;
    const { id, secret } = this.#session;
    const held = this.#runner.heldTokens();
    const window = this.#window();
    return { session: id, secret, name, queues, types, labels, concurrency, window, held };
  }

  #window(): number {
    return this.#state === "running" ? this.#runner.room : 0;
  }

  #listener(): Omit<LinkListener, "closed"> {
    return {
      delivered: (tasks) => this.#runner.deliver(tasks),
      leaseLost: (token, reason) => this.#runner.lose(token, CAUSES[reason]),
      renewed: (sentAt) => this.#watch.renewed(sentAt),
      answered: (report, refusal) => this.#outbox.answered(report, refusal),
      sessionEnded: () => this.#sessionEnded(),
    };
  }

  #linked(link: Link): void {
    this.#link = link;
    const { heartbeatMs, heartbeatGiven, logger } = this.#options;
    const limits = [heartbeatMs, link.leaseMs / 3, link.heartbeatMs].filter((ms) => ms > 0);
    const beatMs = Math.min(...limits);
    if (beatMs !== heartbeatMs && heartbeatGiven && !this.#warnedOfInterval) {
      this.#warnedOfInterval = true;
      const fields = { configuredMs: heartbeatMs, usedMs: beatMs, leaseMs: link.leaseMs };
      logger.warn(fields, "heartbeats are sent more often than configured: the lease needs them");
    }
    for (const token of link.lost) this.#runner.lose(token, "lease-lost");
    this.#watch.linked(link.leaseMs, beatMs, link.registeredAt);
    this.#outbox.attach(link);
    this.#notes.attach(link);
    link.setWindow(this.#window());
    const { address, leaseMs } = link;
    logger.info({ broker: address, session: this.id, leaseMs }, "registered with the leader");
    const waiting = this.#whenLinked;
    this.#whenLinked = [];
    for (const resolve of waiting) resolve();
  }

  #unlinked(why: string): void {
    const broker = this.#link?.address;
    this.#link = undefined;
    this.#outbox.detach();
    this.#notes.detach();
    this.#watch.unlinked();
    const { running } = this.#runner;
    const message = `the connection to the leader ended: ${why}; running tasks go on`;
    this.#options.logger.warn({ broker, running }, message);
  }

  #suspect(silentMs: number): void {
    const silent = `no heartbeat was acknowledged for ${Math.round(silentMs)} ms`;
    this.#connector.redial(silent);
  }

  #lapsed(silentMs: number): void {
    const { running } = this.#runner;
    const message = "no broker has confirmed the lease in time: running tasks are given up";
    this.#options.logger.error({ silentMs: Math.round(silentMs), running }, message);
    this.#lapseUnextended();
    this.#connector.redial("the lease could not be renewed in time");
  }

  /** Runs with an extension of their own go on until that ends, or until a broker is found. */
  #lapseUnextended(): void {
    const next = this.#runner.lapse();
    if (next === undefined) return;
    this.#clock.after(next - this.#clock.now(), () => {
      if (this.#link === undefined && this.#state !== "stopped") this.#lapseUnextended();
    });
  }

  /** All leases are gone, extended ones too; the next registration is that of another session. */
  #sessionEnded(): void {
    for (const token of this.#runner.heldTokens()) this.#runner.lose(token, "lease-lost");
    this.#session.renew();
  }

  /** As long as leases may be held, the refusal may be a mistake of the moment. */
  #sessionRefused(): void {
    const lapsed = this.#watch.hasLapsed;
    if (lapsed || this.#runner.heldTokens().length === 0) this.#sessionEnded();
  }

  /** Tries until the broker has answered; an extension that came too late rejects. */
  async #extend(held: Held, forMs: number): Promise<void> {
    for (;;) {
      held.signal.throwIfAborted();
      const link = this.#link;
      if (link === undefined) {
        await Promise.race([this.#nextLink(), aborted(held.signal)]);
        continue;
      }
      const sentAt = this.#clock.now();
      const refusal = await link.extend(held.task.id, held.token, forMs).catch(() => LINK_LOST);
      if (refusal === undefined) {
        held.extendedUntil = Math.max(held.extendedUntil, sentAt + forMs);
        return;
      }
      if (!refusal.retryable) throw new Error(`${refusal.code}: ${refusal.message}`);
      await within(this.#clock, EXTEND_AGAIN_MS, aborted(held.signal));
    }
  }

  #nextLink(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenLinked.push(resolve);
    });
  }
}

const EXTEND_AGAIN_MS = 200;
const LINK_LOST = { code: "outcome_unknown", message: "the connection ended", retryable: true };

const CAUSES: Readonly<Record<"cancelled" | "timeout" | "lapsed", AbortCause>> = {
  cancelled: "cancelled",
  timeout: "timeout",
  lapsed: "lease-lost",
};

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
