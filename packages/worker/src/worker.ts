/**
 * A worker: the connection, the lease, the runs and the reports, put together. Each part knows its
 * own business only; what one has to tell another goes through here.
 *
 * Running tasks outlive connections: they end early only when the broker says so, when the lease
 * cannot be renewed in time, or when the worker is stopped.
 */
import type { ConnectionEvent } from "task-queue-client";
import { demandMiddleware } from "task-queue-client/connection";
import type { Clock } from "./clock.ts";
import { Connector } from "./core/connector.ts";
import { EventFeed } from "./core/event-feed.ts";
import { extendLease } from "./core/extension.ts";
import { LeaseWatch } from "./core/lease-watch.ts";
import type { Dialer, Link, LinkListener, Registration } from "./core/link.ts";
import { Notes } from "./core/notes.ts";
import { Outbox } from "./core/outbox.ts";
import { Rest } from "./core/rest.ts";
import { RunEvents } from "./core/run-events.ts";
import { Runner } from "./core/runner.ts";
import { Session } from "./core/session.ts";
import { within } from "./core/within.ts";
import type { RunMiddleware } from "./middleware.ts";
import type { ResolvedOptions } from "./options.ts";
import type {
  EventsOptions,
  MissedEvents,
  TypedResult,
  WorkerEvent,
  WorkerEventKind,
  WorkerEvents,
} from "./worker-event.ts";
import type { StopOptions, StopReport, WorkerState, WorkerStatus } from "./worker-status.ts";

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

/** `R`: the types that it runs, with what their handlers answer. */
export class Worker<R extends TypedResult = TypedResult> implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #clock: Clock;
  readonly #session = new Session();
  readonly #runner: Runner;
  readonly #outbox: Outbox;
  readonly #notes: Notes;
  readonly #watch: LeaseWatch;
  readonly #connector: Connector;
  readonly #middleware: RunMiddleware[] = [];
  readonly #events: EventFeed;
  readonly #rest: Rest;
  #state: Exclude<WorkerState, "paused"> = "idle";
  #isPaused = false;
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
    this.#events = new EventFeed(logger);
    this.#rest = new Rest({
      isAtRest: () => this.#runner.running === 0 && this.#outbox.size === 0,
      reached: () => this.#events.emit({ kind: "drained" }),
    });
    this.#outbox = new Outbox(parts.clock, logger, (token, taken) => {
      this.#runner.closeCase(token, taken);
      this.#rest.look();
    });
    this.#notes = new Notes(parts.clock);
    const extension = { ...parts, link: () => this.#link, nextLink: () => this.#nextLink() };
    this.#runner = new Runner({
      ...options,
      notes: this.#notes,
      clock: parts.clock,
      mintId: parts.mintId,
      middleware: this.#middleware,
      events: new RunEvents(parts.clock, this.#events),
      resultBytesMax: () => this.#link?.resultBytesMax ?? RESULT_BYTES_MAX,
      report: (report) => this.#outbox.add(report),
      extend: (held, forMs) => extendLease(extension, held, forMs),
      abandonedChanged: () => {
        this.#link?.setWindow(this.#window());
        this.#rest.look();
      },
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
      failed: (address, error) => this.#connection("failed", address, error),
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
    return this.#isPaused && this.#state === "running" ? "paused" : this.#state;
  }

  get status(): WorkerStatus {
    const { running, waiting, abandoned, completed, failed } = this.#runner;
    const broker = this.#link?.address;
    return {
      state: this.state,
      connected: broker !== undefined,
      broker,
      running,
      waiting,
      abandoned,
      unreported: this.#outbox.size,
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
   * Calls `listener` at every event of this kind, and answers how to end that. What it throws goes
   * to the log. Throws `TypeError` for a kind that is none.
   */
  on<K extends WorkerEventKind>(
    kind: K,
    listener: (event: WorkerEvents<R>[K]) => unknown,
  ): () => void {
    return this.#events.on(kind, listener);
  }

  /**
   * Every event from the first `next()` on, until the worker has stopped: break off to end it. Of
   * more than 10,000 that wait to be read a `missed` tells how many there were.
   */
  events({ signal }: EventsOptions = {}): AsyncGenerator<WorkerEvent<R> | MissedEvents, void> {
    return this.#events.follow(signal) as AsyncGenerator<WorkerEvent<R> | MissedEvents, void>;
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
   * Takes no more tasks until `resume`, and gives back those that have not begun; what runs goes
   * on. Resolves when that has ended and been reported, or when the worker is resumed or stopped.
   */
  pause(): Promise<void> {
    this.#isPaused = true;
    return this.#seekRest();
  }

  /** Takes tasks again. A worker that drains or has stopped stays as it is. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#state === "draining" || this.#state === "stopped") return;
    this.#rest.giveUp();
    this.#runner.accept();
    this.#link?.setWindow(this.#window());
  }

  /**
   * Takes no more tasks for good, gives back those that have not begun, and resolves when the
   * running ones have ended and been reported. The worker stays registered until `stop`.
   */
  drain(): Promise<void> {
    this.#takeNoMore();
    return this.#seekRest();
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
    this.#takeNoMore();
    const returned = this.#quiet();
    void this.#rest.seek();
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
    this.#runner.forsakeReports();
    this.#state = "stopped";
    this.#rest.giveUp();
    this.#events.end();
    this.#resolveDone();
  }

  #takeNoMore(): void {
    if (this.#state === "running" || this.#state === "idle") this.#state = "draining";
  }

  #seekRest(): Promise<void> {
    if (this.#state === "stopped") return Promise.resolve();
    this.#quiet();
    return this.#rest.seek();
  }

  #quiet(): number {
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
    return this.state === "running" ? this.#runner.room : 0;
  }

  #listener(): Omit<LinkListener, "closed"> {
    return {
      delivered: (tasks) => this.#runner.deliver(tasks),
      leaseLost: (token, reason) =>
        this.#runner.lose(token, reason === "lapsed" ? "lease-lost" : reason),
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
    this.#connection("up", address);
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
    this.#connection("down", broker, new Error(why));
  }

  #connection(state: ConnectionEvent["state"], address: string | undefined, error?: Error): void {
    this.#events.emit({ kind: "connection", state, address, error });
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

  #nextLink(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenLinked.push(resolve);
    });
  }
}
