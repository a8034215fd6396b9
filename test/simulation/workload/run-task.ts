/** One attempt in the hands of a worker: it takes a while, then something is reported, or not. */
import type { Command, Complete, Delivery } from "../../../packages/broker/src/queue/index.ts";
import type { Outcome } from "../../../packages/broker/src/replica/index.ts";
import type { WorkerDeed } from "../options.ts";
import type { Random } from "../random.ts";
import type { Arena } from "./arena.ts";
import type { Worker } from "./worker.ts";

const REPORT_AGAIN_MS = 500;

export class Run {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #delivery: Delivery;
  readonly #deed: WorkerDeed;
  readonly #worker: Worker;
  readonly #session: string;
  /** What there is to say, once the work is done. */
  #report: Command | undefined;

  constructor(arena: Arena, random: Random, delivery: Delivery, deed: WorkerDeed, worker: Worker) {
    this.#arena = arena;
    this.#random = random;
    this.#delivery = delivery;
    this.#deed = deed;
    this.#worker = worker;
    this.#session = worker.session;
  }

  /** The connection is new, or the worker awake again: an unanswered report is sent again. */
  reportAgain(): void {
    if (this.#report !== undefined) this.#send(this.#report);
  }

  start(): void {
    const { runMs } = this.#arena.options.workload;
    const { timeoutMs } = this.#delivery;
    if (this.#deed === "stall") this.#worker.stall();
    if (this.#deed === "extend") this.#extend();
    if (this.#deed === "forget") {
      this.#worker.ended(this.#delivery.token);
    } else if (this.#deed === "die") {
      this.#after(runMs.max, () => this.#worker.die());
    } else {
      const overrun = this.#deed === "overrun" ? timeoutMs : 0;
      const takesMs = this.#random.between(runMs.min, runMs.max) + overrun;
      this.#after(takesMs, () => this.#finish());
    }
  }

  #finish(): void {
    this.#report = this.#reportOf(this.#deed);
    this.#send(this.#report);
    if (this.#deed === "completeTwice") this.#send(this.#report);
  }

  #reportOf(deed: WorkerDeed): Command {
    const { id, token } = this.#delivery;
    if (deed === "release") return { type: "release", id, token };
    if (deed === "fail" || deed === "failForGood") {
      const retryAfterMs = this.#random.chance(0.3) ? this.#random.whole(0, 3000) : undefined;
      const error = { message: "it did not work", stack: "" };
      return { type: "fail", id, token, error, retryAfterMs, retryable: deed === "fail" };
    }
    const children = this.#worker.childrenFor(id);
    const result = { result: this.#random.bytes(8), resultType: "binary" } as const;
    const complete = { type: "complete", id, token, ...result } as const;
    return children === undefined ? complete : { ...complete, children };
  }

  #extend(): void {
    const { id, token } = this.#delivery;
    const forMs = Math.ceil(this.#worker.leaseMs * this.#random.between(0.5, 3));
    this.#worker.connection?.report({ type: "extend", id, token, forMs }, () => {});
  }

  #send(report: Command): void {
    if (this.#worker.session !== this.#session) return;
    this.#worker.connection?.report(report, (outcome) => this.#answered(report, outcome));
  }

  #answered(report: Command, outcome: Outcome): void {
    if (isRefused(report, outcome)) {
      // A late answer to a copy: it has been sent without them already.
      if (this.#report !== report) return;
      const { children: _, ...alone } = report;
      this.#report = alone;
      this.#send(alone);
    } else if (outcome.kind === "applied") {
      this.#report = undefined;
      this.#worker.ended(this.#delivery.token);
    } else {
      this.#after(REPORT_AGAIN_MS, () => this.reportAgain());
    }
  }

  /** Until the worker has lost this run, or itself. */
  #after(ms: number, action: () => void): void {
    this.#arena.time.after(ms, () => {
      if (this.#worker.runs.get(this.#delivery.token) === this) action();
    });
  }
}

/** Its children cannot be made, so that nothing was done: the run is still under way. */
function isRefused(report: Command, outcome: Outcome): report is Complete {
  if (report.type !== "complete" || report.children === undefined) return false;
  if (outcome.kind !== "applied") return false;
  return outcome.reply.code !== "ok" && outcome.reply.code !== "stale_token";
}
