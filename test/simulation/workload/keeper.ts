/**
 * Who looks after the queues: pauses them, limits them, gives them weights, and cancels many tasks
 * at once, in steps with the ids that it knows, as the job runner of a leader does. When faults are
 * over it takes all of that back, again and again until every task has ended: an order that it gave
 * before may still be on its way.
 */
import {
  type Command,
  DEFAULT_SETTINGS,
  type JobFilter,
  type TaskId,
} from "../../../packages/broker/src/queue/index.ts";
import { isFinal } from "../checkers/ledger-task.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import { Errand } from "./errand.ts";
import { GROUPS } from "./extras.ts";

const STEPS_MAX = 3;
const STEP_TASKS_MAX = 10;
const RESET_MS = 3000;
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
  /** Anew for each deed. */
  #random: Random;
  #deeds = 0;
  /** Commands without an answer. */
  readonly open = new Set<Errand>();

  constructor(arena: Arena, random: Random) {
    const { queues } = arena.options.workload;
    this.#arena = arena;
    this.#times = random;
    this.#random = random;
    this.#queues = Array.from({ length: queues }, (_, at) => `queue-${at + 1}`);
    this.#plan();
  }

  /** Faults are over: nothing may hold a task back. */
  settle(): void {
    const { time, inspector, knowsLater } = this.#arena;
    if (knowsLater && this.open.size === 0 && !inspector.ledger.allFinal()) {
      for (const queue of this.#queues) {
        const plain = { paused: false, settings: DEFAULT_SETTINGS };
        this.#do({ type: "configureQueue", queue, ifRevision: 0, ...plain });
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
    const queue = this.#random.pick(this.#queues);
    if (this.#random.chance(0.3)) {
      this.#cancelMany(queue);
      return;
    }
    const isReset = this.#random.chance(0.3);
    this.#do({
      type: "configureQueue",
      queue,
      ifRevision: 0,
      paused: !isReset && this.#random.chance(0.3),
      settings: isReset ? DEFAULT_SETTINGS : this.#settings(),
    });
  }

  #settings() {
    const random = this.#random;
    return {
      ...DEFAULT_SETTINGS,
      concurrency: random.pick([0, 1, 2, 5]),
      groupConcurrency: random.pick([0, 1, 2]),
      weight: random.pick([1, 2, 10]),
      groupWeights: GROUPS.map((group) => ({ group, weight: random.whole(1, 4) })),
    };
  }

  #cancelMany(queue: string): void {
    const id = this.#random.bytes(16);
    const filter = { ...NO_FILTER, queue };
    const isDone = () => this.#step(id, queue, 0);
    const terms = { kind: "cancel", filter, dryRun: false, perSecond: 0 } as const;
    this.#do({ type: "startJob", id, ...terms }, isDone);
  }

  #step(id: TaskId, queue: string, step: number): void {
    const live = [...this.#arena.inspector.ledger.tasks.values()].filter((task) => {
      return !isFinal(task) && task.submit.content.queue === queue;
    });
    const tasks = live.slice(0, STEP_TASKS_MAX).map(({ submit }) => submit.id);
    const isLast = step + 1 === STEPS_MAX || tasks.length < STEP_TASKS_MAX;
    const cursor = isLast ? new Uint8Array(0) : (tasks.at(-1) ?? new Uint8Array(1));
    const command: Command = { type: "stepJob", id, step, tasks, cursor };
    // A leader that has just lost its office has proposed the same.
    if (this.#random.chance(0.3)) this.#do(command);
    if (this.#random.chance(0.2)) this.#do({ type: "cancelJob", id });
    this.#do(command, () => {
      if (!isLast) this.#step(id, queue, step + 1);
    });
  }

  #do(command: Command, then: () => void = () => {}): void {
    const errand = new Errand(this.#arena, this.#random, command, (end) => {
      this.open.delete(errand);
      if (end.kind === "applied" && end.reply.code === "ok") then();
    });
    this.open.add(errand);
  }
}
