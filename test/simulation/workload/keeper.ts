/**
 * Who looks after the queues: pauses them, limits them, gives them weights and dead letter queues,
 * drains them, begins jobs that cancel, retry or delete many tasks, and takes finished ones away as
 * retention does. When faults are over it takes back what holds tasks up, again and again until
 * every task has ended: an order that it gave before may still be on its way.
 */
import {
  type Command,
  DEFAULT_SETTINGS,
  EXPUNGE_MAX,
  type Expunge,
  JOB_KINDS,
  type JobFilter,
} from "../../../packages/broker/src/queue/index.ts";
import { isFinal } from "../checkers/ledger-task.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import { Errand } from "./errand.ts";
import { GROUPS, UNIQUE_KEYS } from "./extras.ts";
import { JobDesk } from "./job-desk.ts";

const RESET_MS = 3000;
/** How long retention may take from finding tasks to naming them. */
const RETENTION_LAG_MS = 3000;
/** Where no client submits anything. */
const LETTERS = "letters";
const LAST_LETTERS = "last-letters";
const NO_FILTER: JobFilter = {
  state: undefined,
  queue: "",
  type: "",
  tag: "",
  fingerprint: "",
  createdFrom: 0,
  createdTo: 0,
  finishedFrom: 0,
  finishedTo: 0,
};

export class Keeper {
  readonly #arena: Arena;
  readonly #times: Random;
  readonly #queues: readonly string[];
  readonly #desk: JobDesk;
  /** Anew for each deed. */
  #random: Random;
  #deeds = 0;
  /** Ids of access keys, made or still to be. */
  readonly #keys: Uint8Array[] = [];
  /** Commands without an answer. */
  readonly open = new Set<Errand>();

  constructor(arena: Arena, random: Random) {
    const { queues } = arena.options.workload;
    this.#arena = arena;
    this.#times = random;
    this.#random = random;
    this.#queues = Array.from({ length: queues }, (_, at) => `queue-${at + 1}`);
    const again = (command: Command) => this.#do(command);
    this.#desk = new JobDesk(arena, random.fork("desk"), again);
    this.#plan();
  }

  /** No order without an answer, and no job under way. */
  get isIdle(): boolean {
    return this.open.size === 0 && this.#desk.isIdle;
  }

  /** Faults are over: nothing may hold a task back. */
  settle(): void {
    const { time, inspector, knowsLater } = this.#arena;
    if (knowsLater && this.open.size === 0 && !inspector.ledger.allFinal()) {
      for (const queue of [...this.#queues, LETTERS, LAST_LETTERS]) {
        const plain = { paused: false, draining: false, settings: DEFAULT_SETTINGS };
        this.#do({ type: "configureQueue", queue, ...plain });
      }
    }
    time.after(RESET_MS, () => this.settle());
  }

  #plan(): void {
    const { time, options } = this.#arena;
    const mean = options.workload.later.configureEveryMs;
    if (mean === Number.POSITIVE_INFINITY) return;
    time.after(this.#times.exponential(mean), () => {
      if (this.#arena.isOver) return;
      const deed = `k.${++this.#deeds}`;
      this.#random = this.#times.fork(deed);
      if (this.#arena.wants(deed) && this.#arena.knowsLater) this.#act();
      this.#plan();
    });
  }

  #act(): void {
    // Dice of their own: what came later changes nothing of what else is done.
    if (this.#arena.knowsNewest) this.#actNewly(this.#random.fork("newest"));
    const queue = this.#random.pick([...this.#queues, LETTERS]);
    const deed = this.#random.weighted({ configure: 5, job: 4, retain: 2, forget: 1 });
    if (deed === "configure") this.#configure(queue);
    else if (deed === "job") this.#beginJob(queue);
    else if (deed === "retain") this.#retain(queue);
    else this.#forget(queue);
  }

  #actNewly(random: Random): void {
    const running = [...this.#arena.inspector.ledger.tasks.values()].flatMap(({ submit, live }) => {
      return live === undefined ? [] : [{ id: submit.id, token: live.token }];
    });
    if (running.length > 0 && random.chance(0.3)) {
      this.#do({ type: "recall", ...random.pick(running) });
    }
    if (random.chance(0.2)) this.#keys.push(random.bytes(16));
    if (this.#keys.length === 0) return;
    const id = random.pick(this.#keys);
    const who = { name: "key", permissions: ["admin"], createdBy: "keeper", expiresAt: 0 };
    const deed = random.weighted({ create: 3, revoke: 2, nothing: 5 });
    if (deed === "create") this.#do({ type: "createKey", id, verifier: id, ...who });
    else if (deed === "revoke") this.#do({ type: "revokeKey", id, at: 0 });
  }

  #configure(queue: string): void {
    const isReset = this.#random.chance(0.3);
    const wish = (rate: number) => !isReset && this.#random.chance(rate);
    const settings = isReset ? DEFAULT_SETTINGS : this.#settings(queue);
    if (settings.deadLetterQueue === LETTERS) {
      this.#do({ type: "configureQueue", queue: LETTERS, settings: this.#settings(LETTERS) });
    }
    this.#do({
      type: "configureQueue",
      queue,
      paused: wish(0.2),
      draining: wish(0.3),
      settings,
    });
  }

  #settings(queue: string) {
    const random = this.#random;
    const next = ["", LETTERS, LETTERS, random.pick(this.#queues)];
    return {
      ...DEFAULT_SETTINGS,
      concurrency: random.pick([0, 1, 2, 5]),
      groupConcurrency: random.pick([0, 1, 2]),
      weight: random.pick([1, 2, 10]),
      groupWeights: GROUPS.map((group) => ({ group, weight: random.whole(1, 4) })),
      deadLetterQueue: random.pick(queue === LETTERS ? ["", LAST_LETTERS, LAST_LETTERS] : next),
    };
  }

  #beginJob(queue: string): void {
    const random = this.#random;
    const id = random.bytes(16);
    const kind = random.pick([...JOB_KINDS, "retry"] as const);
    const filter = { ...NO_FILTER, queue };
    const command = { type: "startJob", id, kind, filter, dryRun: false, perSecond: 0 } as const;
    if (random.chance(0.3)) this.#do(command);
    this.#do(command);
    if (!random.chance(0.3)) return;
    const { time } = this.#arena;
    time.after(random.between(0, 1000), () => this.#do({ type: "cancelJob", id }));
  }

  /** Finds finished tasks now, and names them later, as they were. */
  #retain(queue: string): void {
    const random = this.#random;
    const ended = [...this.#arena.inspector.ledger.tasks.values()].filter((task) => {
      return isFinal(task) && !task.deleted && task.queue === queue;
    });
    const what: Expunge["what"] = random.pick(["task", "task", "result", "log"]);
    // Those without success may be started again in the meantime.
    const some = random.chance(0.5) ? ended.filter(({ state }) => state !== "completed") : ended;
    const found = some.slice(-EXPUNGE_MAX);
    if (found.length === 0) return;
    const tasks = found.map(({ submit, finishedAt }) => ({ id: submit.id, finishedAt }));
    const lag = random.between(0, RETENTION_LAG_MS);
    this.#arena.time.after(lag, () => this.#do({ type: "expunge", what, tasks }));
  }

  /** Most of it is not over yet: it must stay. */
  #forget(queue: string): void {
    const gone = [...this.#arena.inspector.ledger.tasks.values()].filter(({ deleted }) => deleted);
    const uniqueKeys = UNIQUE_KEYS.map((key) => ({ queue, key }));
    const idempotencyKeys = [1, 2, 3].map((number) => ({ queue, key: `key-${number}` }));
    const tombstones = gone.slice(-5).map(({ submit }) => submit.id);
    this.#do({ type: "forget", tombstones, idempotencyKeys, uniqueKeys });
  }

  #do(command: Command): void {
    const errand = new Errand(this.#arena, this.#random, command, () => {
      this.open.delete(errand);
    });
    this.open.add(errand);
  }
}
