/**
 * How often things happened to tasks, since this machine began: a number is raised with each event
 * of the feed, and read when somebody asks for figures. Like the feed it is this node's own memory
 * and no part of the state; and as every node applies the same entries, those that have run for as
 * long count the same. Types with figures of their own are bounded: all others share one.
 */
import { TALLY_TYPES_MAX, TALLY_WORKERS_MAX } from "./limits.ts";
import { PRIORITIES } from "./task.ts";

/** Upper ends of the classes of run times; what takes longer is in one more class behind them. */
export const RUN_CLASSES_MS: readonly number[] = [
  5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000,
  3_600_000,
];

/** Kinds of events; the feed has fewer. */
const KINDS_MAX = 32;

export class TypeTally {
  /** Events by the position of their kind in `FEED_KINDS`. */
  readonly kinds = new Float64Array(KINDS_MAX);
  /** New tasks by the position of their priority in `PRIORITIES`. */
  readonly submitted = new Float64Array(PRIORITIES.length);
  /** Runs that failed, or took too long, and after which the task was to run again. */
  retries = 0;
  /** Runs that completed, failed or took too long, by class; a run is in one class only. */
  readonly runs = new Float64Array(RUN_CLASSES_MS.length + 1);
  /** All of them together. */
  runMs = 0;

  ran(ms: number): void {
    let at = 0;
    while (at < RUN_CLASSES_MS.length && ms > RUN_CLASSES_MS[at]!) at++;
    this.runs[at]!++;
    this.runMs += ms;
  }

  add(other: TypeTally): void {
    raise(this.kinds, other.kinds);
    raise(this.submitted, other.submitted);
    raise(this.runs, other.runs);
    this.retries += other.retries;
    this.runMs += other.runMs;
  }
}

export interface WorkerErrors {
  readonly worker: string;
  readonly type: string;
  count: number;
}

/** Runs that ended badly, by the name of the worker that had them and their type. */
export class WorkerTally {
  readonly #pairs = new Map<string, WorkerErrors>();
  /** Of all pairs beyond the bound. */
  others = 0;

  raise(worker: string, type: string, count = 1): void {
    // No type has a space in it.
    const key = `${type} ${worker}`;
    const known = this.#pairs.get(key);
    if (known !== undefined) known.count += count;
    else if (this.#pairs.size >= TALLY_WORKERS_MAX) this.others += count;
    else this.#pairs.set(key, { worker, type, count });
  }

  /** Those with figures of their own, in the order in which they first came. */
  get pairs(): Iterable<Readonly<WorkerErrors>> {
    return this.#pairs.values();
  }

  add(other: WorkerTally): void {
    for (const { worker, type, count } of other.pairs) this.raise(worker, type, count);
    this.others += other.others;
  }
}

export class Tally {
  readonly workers = new WorkerTally();
  readonly #types = new Map<string, TypeTally>();
  /** Of all types beyond the bound together. */
  readonly others = new TypeTally();

  /** Always the same one for a type, whichever it is. */
  of(type: string): TypeTally {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    if (this.#types.size >= TALLY_TYPES_MAX) return this.others;
    const tally = new TypeTally();
    this.#types.set(type, tally);
    return tally;
  }

  /** Those with figures of their own, in the order in which they first came. */
  get types(): Iterable<readonly [string, TypeTally]> {
    return this.#types;
  }

  add(other: Tally): void {
    for (const [type, tally] of other.types) this.of(type).add(tally);
    this.others.add(other.others);
    this.workers.add(other.workers);
  }
}

function raise(numbers: Float64Array, by: Float64Array): void {
  for (let at = 0; at < numbers.length; at++) numbers[at]! += by[at]!;
}
