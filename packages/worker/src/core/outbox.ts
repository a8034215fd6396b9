/**
 * Reports on their way to the broker. A report stays here until the broker has answered it: what
 * was in flight when a link broke is sent again on the next one, which is harmless, since a report
 * is idempotent by its token. Reports of one turn leave together.
 *
 * Its size is bounded by the worker's window: without a link nothing is delivered, hence nothing
 * more is reported.
 */
import type { Clock, Timer } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { Link, Refusal, Report } from "./link.ts";

/** Pause before a report that the broker refused for now is sent again. */
const RESEND_MS = 500;
/** The task has gone on without this worker: nothing is left to report on. */
const TOO_LATE: readonly string[] = ["stale_token", "not_found", "state_conflict"];

export class Outbox {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closedCase: (token: number, taken: Report | undefined) => void;
  readonly #pending = new Map<number, Report>();
  #unsent: Report[] = [];
  #again: Report[] = [];
  #link: Link | undefined;
  #flushing = false;
  #resendTimer: Timer | undefined;
  #whenEmpty: (() => void)[] = [];

  /**
   * `closedCase`: the task of this token needs nothing more from this worker; `taken` is the report
   * that the broker took, undefined when it wanted none.
   */
  constructor(
    clock: Clock,
    logger: Logger,
    closedCase: (token: number, taken: Report | undefined) => void,
  ) {
    this.#clock = clock;
    this.#logger = logger;
    this.#closedCase = closedCase;
  }

  /** Reports that were not answered yet. */
  get size(): number {
    return this.#pending.size;
  }

  add(report: Report): void {
    this.#pending.set(report.token, report);
    this.#unsent.push(report);
    this.#flushSoon();
  }

  /** A new link: everything unanswered goes out on it, once more where need be. */
  attach(link: Link): void {
    this.#link = link;
    this.#unsent = [...this.#pending.values()];
    this.#again = [];
    this.#flushSoon();
  }

  detach(): void {
    this.#link = undefined;
  }

  answered(report: Report, refusal: Refusal): void {
    // An answer that belongs to an older report of this token, or to none, says nothing new.
    if (this.#pending.get(report.token) !== report) return;
    if (refusal === undefined) this.#close(report.token, report);
    else if (refusal.retryable) this.#sendAgainLater(report);
    else this.#refused(report, refusal);
  }

  /** Resolves once nothing is unanswered. */
  empty(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty.push(resolve);
    });
  }

  stop(): void {
    this.#link = undefined;
    this.#resendTimer?.cancel();
  }

  #refused(report: Report, refusal: Exclude<Refusal, undefined>): void {
    const { code, message } = refusal;
    const fields = { token: report.token, report: report.kind, code };
    if (isTooLate(report, code)) {
      this.#logger.warn(fields, `a report came too late and was dropped: ${message}`);
      this.#close(report.token, undefined);
      return;
    }
    this.#logger.error(fields, `the broker refused a report: ${message}`);
    const instead = insteadOf(report, message);
    if (instead === undefined) this.#close(report.token, undefined);
    else this.add(instead);
  }

  #close(token: number, taken: Report | undefined): void {
    this.#pending.delete(token);
    this.#closedCase(token, taken);
    if (this.#pending.size > 0 || this.#whenEmpty.length === 0) return;
    const waiting = this.#whenEmpty;
    this.#whenEmpty = [];
    for (const resolve of waiting) resolve();
  }

  #sendAgainLater(report: Report): void {
    this.#again.push(report);
    this.#resendTimer ??= this.#clock.after(RESEND_MS, () => {
      this.#resendTimer = undefined;
      this.#unsent.push(...this.#again);
      this.#again = [];
      this.#flushSoon();
    });
  }

  #flushSoon(): void {
    if (this.#flushing || this.#link === undefined || this.#unsent.length === 0) return;
    this.#flushing = true;
    this.#clock.soon(() => {
      this.#flushing = false;
      if (this.#link === undefined || this.#unsent.length === 0) return;
      const reports = this.#unsent;
      this.#unsent = [];
      this.#link.report(reports);
    });
  }
}

/** Of a result with children the other codes may be about these, and the run is still under way. */
function isTooLate(report: Report, code: string): boolean {
  const hasChildren = report.kind === "complete" && report.children !== undefined;
  return hasChildren ? code === "stale_token" : TOO_LATE.includes(code);
}

/**
 * A task must end somehow, or its lease would be renewed for ever: a result that the broker does
 * not take becomes a failure, and a failure that it does not take gives the task back.
 */
function insteadOf(report: Report, why: string): Report | undefined {
  const { id, token } = report;
  if (report.kind === "release") return undefined;
  if (report.kind === "fail") return { kind: "release", id, token };
  const message = `the broker refused the result: ${why}`;
  return { kind: "fail", id, token, message, stack: "", retryAfterMs: undefined, retryable: false };
}
