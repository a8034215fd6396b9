/**
 * A broker in the test's own process: the real queue behind the real worker port, the real client
 * and workers before it, and no port, no file and no time but the test's own between them.
 */
import { LoneBroker, type OpenDoors } from "task-queue-broker/testing";
import {
  type AnyTasks,
  type Client,
  connect,
  type PayloadOf,
  type TaskJson,
  type TaskMap,
  type TypeOf,
} from "task-queue-client";
import { createWorker, type ResultsOf, type Worker, type WorkerOptions } from "task-queue-worker";
import { V7Generator } from "uuidv7";
import { createFaults, type Faults } from "./faults.ts";
import { IDLE_MS_MAX, RUN_ALL_MS_MAX } from "./limits.ts";
import { Lines } from "./lines.ts";
import { TestClock } from "./test-clock.ts";

export interface TestBrokerOptions<M extends TaskMap = AnyTasks> {
  /** Of `client` and of all workers. */
  readonly tasks?: M | undefined;
  /** What the wall clock shows at first; default is now. */
  readonly now?: Date | undefined;
  /** How long a lease lasts without a heartbeat; default is an hour, so that days pass quickly. */
  readonly leaseMs?: number | undefined;
}

export type TestWorkerOptions<M extends TaskMap> = Omit<
  WorkerOptions<M>,
  "servers" | "tasks" | "apiKey" | "heartbeatIntervalSecs"
>;

/** A task as its submitter sees it. */
export type SubmittedTask<Payload> = TaskJson & { readonly payload: Payload };

export interface TestBroker<M extends TaskMap = AnyTasks> extends AsyncDisposable {
  readonly client: Client<M>;
  /** Of broker and workers alike. It stands still until `advance`. */
  readonly clock: Pick<TestClock, "advance" | "date" | "now" | "wallMs">;
  readonly faults: Faults;
  readonly leaseMs: number;
  /**
   * A worker that is registered when this resolves; it is stopped with the broker. `prepare` is
   * called before it starts, for middleware and listeners.
   */
  worker(
    options: TestWorkerOptions<M>,
    prepare?: (worker: Worker<ResultsOf<M>>) => void,
  ): Promise<Worker<ResultsOf<M>>>;
  /**
   * Resolves when no task is running any more and none can begin: what is left waits for its time,
   * or for a worker that is not there. Rejects when handlers are still at work after 10 s of real
   * time.
   */
  idle(): Promise<void>;
  /** Moves the clock on until no task waits for its time or its retry any more. */
  runAll(): Promise<void>;
  /** The tasks of a type, in the order of their ids, which is that of their submits. */
  submitted<K extends TypeOf<M>>(type: K): Promise<SubmittedTask<PayloadOf<M, K>>[]>;
  /** Opens the worker port and REST on free ports, for tq-admin, curl and other programs. */
  listen(): Promise<Pick<OpenDoors, "address" | "restUrl">>;
  /** Stops the workers without waiting for their handlers, then everything else. */
  close(): Promise<void>;
}

/** Resolves when it leads. Rejects with `TypeError` for options that cannot be. */
export async function createTestBroker<const M extends TaskMap = AnyTasks>({
  tasks,
  now = new Date(),
  leaseMs = LEASE_MS,
}: TestBrokerOptions<M> = {}): Promise<TestBroker<M>> {
  // The ids of tasks hold it, and none before 1970.
  if (!(now.getTime() >= 0)) throw new TypeError("now: it is not a valid time from 1970 on");
  if (!Number.isSafeInteger(leaseMs) || leaseMs < LEASE_MS_MIN) {
    throw new TypeError(`leaseMs: a whole number of ${LEASE_MS_MIN} or more, not ${leaseMs}`);
  }
  const clock = new TestClock(now.getTime());
  const onActivity = () => clock.stir();
  const lone = await LoneBroker.start({ clock, leaseMs, onActivity, onFatal: raise });
  // The election, and the entries that follow it.
  await clock.advance(0);
  return new Bench(clock, lone, leaseMs, tasks);
}

/** Anywhere; nothing is dialled by its address. */
const SERVERS = "127.0.0.1:6379";
const LEASE_MS = 60 * 60 * 1000;
/** Three heartbeats, each some time after the other. */
const LEASE_MS_MIN = 100;
const NO_PATIENCE = { graceMs: 0, abortMs: 0 };

class Bench<M extends TaskMap> implements TestBroker<M> {
  readonly client: Client<M>;
  readonly clock: TestClock;
  readonly faults: Faults;
  readonly leaseMs: number;
  readonly #lone: LoneBroker;
  readonly #lines: Lines;
  readonly #tasks: M | undefined;
  readonly #mintId: () => string;
  readonly #workers: Worker<ResultsOf<M>>[] = [];
  #closed: Promise<void> | undefined;

  constructor(clock: TestClock, lone: LoneBroker, leaseMs: number, tasks: M | undefined) {
    this.clock = clock;
    this.leaseMs = leaseMs;
    this.#lone = lone;
    this.#tasks = tasks;
    const ids = new V7Generator();
    // The broker refuses ids that are a day older than its clock, which the test may turn by years.
    this.#mintId = () => ids.generateOrResetWithTs(Math.floor(clock.wallMs())).toString();
    this.#lines = new Lines(() => lone.connect());
    this.faults = createFaults(lone, clock, this.#lines);
    this.client = connect({
      servers: SERVERS,
      tasks,
      openSocket: () => lone.connect(),
      mintId: this.#mintId,
      stay: true,
    });
  }

  async worker(
    options: TestWorkerOptions<M>,
    prepare: (worker: Worker<ResultsOf<M>>) => void = () => {},
  ): Promise<Worker<ResultsOf<M>>> {
    this.#counts();
    const heartbeatIntervalSecs = this.leaseMs / 1_000;
    const given = this.#tasks && { tasks: this.#tasks };
    const all = { ...options, ...given, servers: SERVERS, heartbeatIntervalSecs };
    const { clock } = this;
    const worker = this.#lines.worker((openSocket) =>
      createWorker<M>(all as WorkerOptions<M>, { clock, openSocket, mintId: this.#mintId }),
    );
    prepare(worker);
    this.#workers.push(worker);
    await worker.start();
    return worker;
  }

  async idle(): Promise<void> {
    const until = performance.now() + IDLE_MS_MAX;
    for (;;) {
      await this.clock.advance(0);
      const running = this.#counts().running;
      if (running === 0) return;
      if (performance.now() > until) {
        throw new Error(`${running} tasks are still running after ${IDLE_MS_MAX} ms`);
      }
      await this.#change(until);
    }
  }

  async runAll(): Promise<void> {
    const until = this.clock.now() + RUN_ALL_MS_MAX;
    for (;;) {
      await this.idle();
      const { scheduled, retrying } = this.#counts();
      if (scheduled + retrying === 0) return;
      const left = until - this.clock.now();
      if (left <= 0) throw new Error(`${scheduled + retrying} tasks still wait after 400 days`);
      await this.clock.step(left);
    }
  }

  async submitted<K extends TypeOf<M>>(type: K): Promise<SubmittedTask<PayloadOf<M, K>>[]> {
    const found: SubmittedTask<PayloadOf<M, K>>[] = [];
    for await (const task of this.client.list({ type, payload: true })) {
      found.push(task as SubmittedTask<PayloadOf<M, K>>);
    }
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  listen(): Promise<OpenDoors> {
    return this.#lone.listen();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // Whoever still waits for an answer gets one.
    await this.#lone.restart();
    const stops = this.#workers.map((worker) => worker.stop(NO_PATIENCE));
    await Promise.all([...stops, this.#pass(stops)]);
    await this.client.close();
    await this.#lone.close();
  }

  /** What a stop waits for is measured on the test's clock. */
  async #pass(stops: readonly Promise<unknown>[]): Promise<void> {
    let isOver = false;
    void Promise.allSettled(stops).then(() => {
      isOver = true;
    });
    while (!isOver) await this.clock.step(1_000);
  }

  #counts() {
    const counts = this.#lone.broker?.counts();
    if (counts !== undefined) return counts;
    if (this.#closed !== undefined) throw new Error("this broker is closed");
    throw new Error("the leader is lost: move the clock until it is back");
  }

  /** Something was applied, or the time is up. */
  #change(until: number): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        unsubscribe();
        resolve();
      };
      const unsubscribe = this.#lone.broker?.onApplied(settle) ?? (() => {});
      const timer = setTimeout(settle, Math.max(0, until - performance.now()) + 1);
    });
  }
}

/** A broken broker makes every answer of the test worthless. */
function raise(error: Error): void {
  queueMicrotask(() => {
    throw error;
  });
}
