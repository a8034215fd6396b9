/**
 * One leased task in this worker, from its delivery until the broker has heard how it ended.
 *
 *   waiting → running → reported
 *        ↘        ↘
 *       gone   abandoned → gone
 *
 * Abandoned: the lease is lost but the handler has not returned; its outcome will be dropped.
 */
import { type DeliveredTask, formatTaskId, type SubmitTask } from "task-queue-protocol";
import type { Timer } from "../clock.ts";
import { type AbortCause, TaskAborted } from "../errors.ts";

export type HeldPhase = "waiting" | "running" | "reported" | "abandoned" | "gone";

export class Held {
  readonly task: DeliveredTask;
  /** On the worker's clock. */
  readonly arrivedAt: number;
  phase: HeldPhase = "waiting";
  /** An `extend` keeps the lease at least until then, whatever becomes of the session; 0 = none. */
  extendedUntil = 0;
  timeout: Timer | undefined;
  /** On the worker's clock; undefined = its run has not begun. */
  startedAt: number | undefined;
  endedAt: number | undefined;
  /** What its handler answered, or what it threw, for whoever listens. */
  result: unknown;
  thrown: unknown;
  /** Tasks that its handler wants to be made when it completes. */
  children: SubmitTask[] | undefined;
  #aborted: AbortCause | undefined;
  #controller: AbortController | undefined;
  #id: string | undefined;

  constructor(task: DeliveredTask, arrivedAt: number) {
    this.task = task;
    this.arrivedAt = arrivedAt;
  }

  get token(): number {
    return this.task.token;
  }

  /** In text; made when first asked for, which most handlers never do. */
  get id(): string {
    this.#id ??= formatTaskId(this.task.id);
    return this.#id;
  }

  /** Why the run was told to end; undefined = it was not. */
  get aborted(): AbortCause | undefined {
    return this.#aborted;
  }

  /** Made when first asked for, like the id. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(new TaskAborted(this.#aborted));
    }
    return this.#controller.signal;
  }

  /** The first cause stands. */
  abort(why: AbortCause): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = why;
    this.#controller?.abort(new TaskAborted(why));
  }
}
