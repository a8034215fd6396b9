/** All clients and workers of a simulation. */
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import { Client } from "./client.ts";
import type { Errand } from "./errand.ts";
import { LABELS } from "./extras.ts";
import { Keeper } from "./keeper.ts";
import { Submissions } from "./submission.ts";
import { type Takes, Worker } from "./worker.ts";

/** Enough for whatever piled up while nobody was willing. */
const HONEST_CONCURRENCY = 50;

export class Workload {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #clients: Client[] = [];
  readonly #keeper: Keeper;
  readonly #submissions: Submissions;
  readonly #workers: Worker[] = [];

  constructor(arena: Arena, random: Random) {
    this.#arena = arena;
    this.#random = random;
    const { clients, workers } = arena.options.workload;
    const submissions = new Submissions(random.fork("submissions"), arena.options.workload);
    this.#submissions = submissions;
    for (let i = 1; i <= clients; i++) {
      this.#clients.push(new Client(arena, random.fork(`client ${i}`), `c${i}`, submissions));
    }
    this.#keeper = new Keeper(arena, random.fork("keeper"));
    for (let i = 1; i <= workers; i++) this.#hire(`worker${i}`, this.#someNames());
  }

  /** Every command that was begun has been answered, and no job is under way. */
  get isIdle(): boolean {
    return this.#errands.length === 0 && this.#keeper.isIdle;
  }

  get #errands(): readonly Errand[] {
    return [...this.#clients, this.#keeper].flatMap(({ open }) => [...open]);
  }

  /** What was not answered yet. */
  describeOpen(): string {
    const open = this.#errands;
    return open.length === 0
      ? "no open orders"
      : open.map((errand) => errand.describe()).join("; ");
  }

  /** Faults are over: somebody takes every task, and nobody forgets anything any more. */
  settle(): void {
    for (const worker of this.#workers) worker.settle();
    this.#keeper.settle();
    const types = this.#allTypes();
    this.#hire("honest", { queues: [], types, labels: LABELS }, HONEST_CONCURRENCY);
  }

  /** All tasks are done: nobody says anything any more. */
  retire(): void {
    for (const worker of this.#workers) worker.retire();
  }

  #hire(name: string, takes: Takes, concurrency?: number): void {
    const random = this.#random.fork(name);
    const most = this.#arena.options.workload.concurrencyMax;
    const own = concurrency ?? random.whole(1, most);
    this.#workers.push(new Worker(this.#arena, random, name, takes, own, this.#submissions));
  }

  #allTypes(): readonly string[] {
    const { types } = this.#arena.options.workload;
    return Array.from({ length: types }, (_, at) => `type-${at + 1}`);
  }

  #someNames(): Takes {
    const { queues } = this.#arena.options.workload;
    const all = Array.from({ length: queues }, (_, at) => `queue-${at + 1}`);
    const some = all.filter(() => this.#random.chance(0.6));
    const types = this.#allTypes().filter(() => this.#random.chance(0.8));
    const everything = this.#random.chance(0.5);
    return {
      queues: everything ? [] : some,
      types: types.length === 0 ? this.#allTypes() : types,
      labels: LABELS.slice(this.#workers.length % 3),
    };
  }
}
