/**
 * What became of the cluster's tasks, for Prometheus: the tally that the queue machine keeps, as
 * counters. An installed snapshot brings another machine, whose tally begins anew: what the one
 * before had counted is kept here, so that no counter falls.
 */
import type { Counter, Registry } from "prom-client";
import type { Broker } from "../operations/broker.ts";
import {
  FEED_KINDS,
  type FeedKind,
  PRIORITIES,
  RUN_CLASSES_MS,
  Tally,
  TypeTally,
} from "../queue/index.ts";
import { labelledCounter } from "./families.ts";
import { type HistogramSeries, histogramText } from "./histogram-text.ts";

/** Types, and workers, beyond the bound, together; no type can have this name. */
export const OTHER_TYPES = "(other)";

/** The words of `tq_tasks_total`, and the events that each of them counts. */
const STATUSES = {
  submitted: ["submitted"],
  started: ["started"],
  completed: ["completed"],
  failed: ["failed", "timeout"],
  dead: ["dead"],
  cancelled: ["cancelled"],
  expired: ["expired"],
} as const satisfies Record<string, readonly FeedKind[]>;

const ENDINGS = ["completed", "dead", "cancelled", "expired"] as const;
const FAILURES = ["failed", "timeout", "lapsed"] as const;

interface Counters {
  readonly tasks: Counter<string>;
  readonly lapsed: Counter<string>;
  readonly submissions: Counter<string>;
  readonly completions: Counter<string>;
  readonly failures: Counter<string>;
  readonly retries: Counter<string>;
  readonly workers: Counter<string>;
}

export class TaskFigures {
  readonly #broker: Pick<Broker, "feed">;
  readonly #counters: Counters;
  /** Of machines that have been replaced. */
  readonly #former = new Tally();
  #current: Tally;

  constructor(registry: Registry, broker: Pick<Broker, "feed">) {
    this.#broker = broker;
    this.#current = broker.feed().tally;
    this.#counters = register(registry);
  }

  /** To be called now and then: a tally that nobody has seen is lost with its machine. */
  see(): void {
    const { tally } = this.#broker.feed();
    if (tally === this.#current) return;
    this.#former.add(this.#current);
    this.#current = tally;
  }

  /** Brings the counters up to date; returns what the library cannot be told of, as text. */
  collect(): string {
    this.see();
    const all = new Tally();
    all.add(this.#former);
    all.add(this.#current);
    for (const counter of Object.values(this.#counters)) counter.reset();
    const runs: HistogramSeries[] = [];
    const sum = new TypeTally();
    for (const [type, tally] of [...all.types, [OTHER_TYPES, all.others] as const]) {
      sum.add(tally);
      this.#collectType(type, tally);
      if (tally.runs.some((count) => count > 0)) runs.push(seriesOf(type, tally));
    }
    for (const [status, kinds] of Object.entries(STATUSES)) {
      const count = kinds.reduce((total, kind) => total + countOf(sum, kind), 0);
      this.#counters.tasks.inc({ status }, count);
    }
    this.#counters.lapsed.inc(countOf(sum, "lapsed"));
    this.#collectWorkers(all);
    return histogramText(
      "tq_task_duration_seconds",
      "How long runs took that completed, failed or reached their timeout; from the leader.",
      RUN_CLASSES_MS.map((ms) => ms / 1_000),
      runs,
    );
  }

  #collectWorkers({ workers: tally }: Tally): void {
    const { workers } = this.#counters;
    for (const { worker, type, count } of tally.pairs) workers.inc({ worker, type }, count);
    if (tally.others > 0) workers.inc({ worker: OTHER_TYPES, type: OTHER_TYPES }, tally.others);
  }

  #collectType(type: string, tally: TypeTally): void {
    const { submissions, completions, failures, retries } = this.#counters;
    for (const [at, priority] of PRIORITIES.entries()) {
      const count = tally.submitted[at]!;
      if (count > 0) submissions.inc({ priority, type }, count);
    }
    for (const status of ENDINGS) {
      const count = countOf(tally, status);
      if (count > 0) completions.inc({ type, status }, count);
    }
    for (const error of FAILURES) {
      const count = countOf(tally, error);
      if (count > 0) failures.inc({ type, error }, count);
    }
    if (tally.retries > 0) retries.inc({ type }, tally.retries);
  }
}

function register(registry: Registry): Counters {
  const counter = (name: string, help: string, labelNames: readonly string[] = []) =>
    labelledCounter(registry, name, `${help}; from the leader.`, labelNames);
  return {
    tasks: counter("tq_tasks_total", "What happened to tasks", ["status"]),
    lapsed: counter("tq_leases_lapsed_total", "Leases that ran out without a word"),
    submissions: counter("tq_task_submissions_total", "New tasks", ["priority", "type"]),
    completions: counter("tq_task_completions_total", "Tasks that ended", ["type", "status"]),
    failures: counter("tq_task_failures_total", "Runs that ended badly", ["type", "error"]),
    workers: counter("tq_worker_errors_total", "Runs of workers that ended badly", [
      "worker",
      "type",
    ]),
    retries: counter("tq_task_retries_total", "Failed runs with another to follow", ["type"]),
  };
}

function countOf(tally: TypeTally, kind: FeedKind): number {
  return tally.kinds[FEED_KINDS.indexOf(kind)]!;
}

function seriesOf(type: string, { runs, runMs }: TypeTally): HistogramSeries {
  return { labels: { type }, counts: [...runs], sum: runMs / 1_000 };
}
