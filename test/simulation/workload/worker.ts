/**
 * A worker and its sessions: registers with the leader, gets tasks, runs them and reports, and does
 * whatever its options say besides: fails, stalls, reports late and twice, forgets what it holds,
 * breaks its connection, says good-bye, or dies without a word. When faults are over it is honest.
 */
import type { Delivery, NewTask, TaskId } from "../../../packages/broker/src/queue/index.ts";
import type { SessionOutput } from "../../../packages/broker/src/replica/index.ts";
import type { SimulatedNode } from "../node.ts";
import type { WorkerDeed } from "../options.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import { Connection } from "./connection.ts";
import { childrenOf } from "./extras.ts";
import { Run } from "./run-task.ts";
import type { Submissions } from "./submission.ts";

const RECONNECT_MS = 150;
const SECRET_BYTES = 16;
const CHILDREN_MAX = 3;
/** A new session after the old one ended, or the worker died. */
const REBIRTH_MS = 1000;

export interface Takes {
  readonly queues: readonly string[];
  readonly types: readonly string[];
  /** `key=value`, sorted. */
  readonly labels: readonly string[];
}

export class Worker {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #name: string;
  readonly #takes: Takes;
  readonly #submissions: Submissions;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Runs by their token. */
  readonly runs = new Map<number, Run>();
  #session = "";
  #secret: Uint8Array = new Uint8Array(0);
  #births = 0;
  #wasAttached = false;
  #connection: Connection | undefined;
  #isStalled = false;
  #isGone = false;
  #reconnectPlanned = false;

  constructor(
    arena: Arena,
    random: Random,
    name: string,
    takes: Takes,
    concurrency: number,
    submissions: Submissions,
  ) {
    const { leaseMs } = arena.options.workload;
    this.#arena = arena;
    this.#random = random;
    this.#name = name;
    this.#takes = takes;
    this.#submissions = submissions;
    this.concurrency = concurrency;
    this.leaseMs = Math.ceil(random.between(leaseMs.min, leaseMs.max));
    this.#begin();
    this.#plan("reconnectEveryMs", () => this.#connection?.drop());
    this.#plan("byeEveryMs", () => this.#sayGoodBye());
  }

  get session(): string {
    return this.#session;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  // ---- sessions and connections ----

  /** A new session with nothing in its hands. */
  #begin(): void {
    this.#session = `${this.#name}.${++this.#births}`;
    this.#secret = this.#random.bytes(SECRET_BYTES);
    this.runs.clear();
    this.#wasAttached = false;
    this.#isStalled = false;
    this.#connectSoon(0);
  }

  #connectSoon(ms: number): void {
    if (this.#reconnectPlanned || this.#isGone) return;
    this.#reconnectPlanned = true;
    this.#arena.time.after(this.#random.between(0, ms), () => {
      this.#reconnectPlanned = false;
      const isWanted = this.#session !== "" && this.#connection === undefined;
      if (!this.#isGone && isWanted) this.#connect();
    });
  }

  /** Mostly to the leader, as the nodes' hints would have it. */
  #connect(): void {
    const leader = this.#arena.leader();
    const hinted = leader !== undefined && this.#random.chance(0.8);
    const node: SimulatedNode = hinted ? leader : this.#random.pick(this.#arena.reachable);
    if (this.#wasAttached && this.#random.chance(0.2)) this.#forgetSome();
    this.#connection = new Connection(this.#arena, this.#random, node, {
      register: {
        type: "register",
        session: this.#session,
        secret: this.#secret,
        name: this.#name,
        queues: this.#takes.queues,
        types: this.#takes.types,
        labels: this.#takes.labels,
        concurrency: this.concurrency,
        version: "1",
        leaseMs: this.leaseMs,
      },
      held: () => [...this.runs.keys()],
      opened: (lost) => this.#opened(lost),
      told: (output) => this.#told(output),
      closed: (isEnded) => this.#closed(isEnded),
    });
  }

  /** It lost track of some runs, as if a part of it had crashed. */
  #forgetSome(): void {
    for (const token of [...this.runs.keys()]) {
      if (this.#random.chance(0.5)) this.runs.delete(token);
    }
  }

  #opened(lost: readonly number[]): void {
    const { situations } = this.#arena;
    if (this.#wasAttached) situations.hit("session resumed");
    if (lost.length > 0) situations.hit("lease lost learnt on resume");
    this.#wasAttached = true;
    for (const token of lost) this.#lose(token);
    for (const run of this.runs.values()) run.reportAgain();
    this.#openWindow();
    this.#beatLater(this.#connection!);
  }

  #openWindow(): void {
    const { quietRate } = this.#arena.options.workload;
    const isQuiet = !this.#arena.isOver && this.#random.chance(quietRate);
    this.#connection?.setWindow(isQuiet ? 0 : this.concurrency);
    if (!isQuiet) return;
    this.#arena.situations.hit("worker went quiet");
    this.#arena.time.after(this.#random.between(0, 5000), () => this.#openWindow());
  }

  /** `isEnded`: the session is gone, not only the connection. */
  #closed(isEnded: boolean): void {
    this.#connection = undefined;
    if (isEnded) this.#rebirth();
    else this.#connectSoon(RECONNECT_MS);
  }

  #rebirth(): void {
    if (this.#isGone) return;
    this.runs.clear();
    this.#session = "";
    this.#arena.time.after(this.#random.between(0, REBIRTH_MS), () => {
      if (!this.#isGone && this.#session === "") this.#begin();
    });
  }

  #beatLater(connection: Connection): void {
    this.#arena.time.after(this.leaseMs / 3, () => {
      if (connection !== this.#connection) return;
      if (!this.#isStalled) connection.beat();
      this.#beatLater(connection);
    });
  }

  // ---- what the broker tells ----

  #told({ deliveries, lost }: SessionOutput): void {
    for (const { token } of lost) this.#lose(token);
    for (const delivery of deliveries) this.#delivered(delivery);
  }

  #delivered(delivery: Delivery): void {
    const { inspector, situations } = this.#arena;
    inspector.promises.delivered(this.#session, delivery);
    if (this.runs.has(delivery.token)) return;
    if (this.#connection?.isFresh) situations.hit("lease redelivered on resume");
    const run = new Run(this.#arena, this.#random, delivery, this.#chooseDeed(), this);
    this.runs.set(delivery.token, run);
    run.start();
  }

  #chooseDeed(): WorkerDeed {
    if (this.#arena.isOver) return "complete";
    return this.#random.weighted(this.#arena.options.workload.deeds);
  }

  /** Some go on nevertheless and report with a token that is worth nothing. */
  #lose(token: number): void {
    if (this.#arena.isOver || this.#random.chance(0.7)) this.runs.delete(token);
  }

  // ---- what runs ask of their worker ----

  get connection(): Connection | undefined {
    return this.#isStalled ? undefined : this.#connection;
  }

  /** Tasks that a run begins with its result; undefined: none, or the cluster knows none yet. */
  childrenFor(parent: TaskId): readonly NewTask[] | undefined {
    const { isOver, knowsLater, options, wallMs } = this.#arena;
    const { childrenRate } = options.workload.later;
    if (isOver || !knowsLater || !this.#random.chance(childrenRate)) return undefined;
    const tasks = Array.from({ length: this.#random.whole(1, CHILDREN_MAX) }, () => {
      return this.#submissions.next(wallMs, this.#random, []);
    });
    return childrenOf(this.#random, parent, tasks);
  }

  /** A run was reported, and the broker answered. */
  ended(token: number): void {
    this.runs.delete(token);
  }

  /** No heartbeat, no report for longer than a lease. */
  stall(): void {
    this.#isStalled = true;
    this.#arena.time.after(this.leaseMs * this.#random.between(1, 2.5), () => {
      this.#isStalled = false;
      for (const run of this.runs.values()) run.reportAgain();
    });
  }

  /** Without a word; its leases lapse. */
  die(): void {
    this.#connection?.abandon();
    this.#connection = undefined;
    this.#rebirth();
  }

  #sayGoodBye(): void {
    if (this.#connection === undefined || this.#isStalled) return;
    this.#connection.unregister();
    this.#connection.abandon();
    this.#connection = undefined;
    this.#rebirth();
  }

  /** Faults are over. What it lost track of comes again with a new connection. */
  settle(): void {
    this.#connection?.drop();
  }

  /** The end of the simulation: it leaves in peace and does not come back. */
  retire(): void {
    this.#isGone = true;
    this.#connection?.unregister();
    this.#connection?.abandon();
    this.#connection = undefined;
  }

  #plan(every: "reconnectEveryMs" | "byeEveryMs", action: () => void): void {
    const mean = this.#arena.options.workload[every];
    if (mean === Number.POSITIVE_INFINITY) return;
    this.#arena.time.after(this.#random.exponential(mean), () => {
      if (this.#arena.isOver || this.#isGone) return;
      action();
      this.#plan(every, action);
    });
  }
}
