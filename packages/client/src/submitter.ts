/**
 * Sends submits and sends them again, under the same id, until each has its answer or its deadline.
 * Those of one turn share a frame. What is in flight on the wire is bounded; the rest waits here in
 * order.
 */
import {
  BATCH_MAX,
  formatTaskId,
  type ItemError,
  type Message,
  type SubmitOk,
  type SubmitTask,
  TqError,
} from "task-queue-protocol";
import { type Connection, type Link, toError } from "./connection/index.ts";
import { isAnsweredWithin, type LeaderQuestion } from "./leader-question.ts";
import { mayResend, outOfTime, resendDelayMs } from "./resend.ts";
import type { SeenIndex } from "./seen-index.ts";
import { frameBytes } from "./submit-task.ts";

/** Beyond these, submits wait for answers before more go out. */
const IN_FLIGHT_TASKS_MAX = 8_192;
const IN_FLIGHT_BYTES_MAX = 8 * 1024 * 1024;
/** A frame is closed at this size, so that large tasks do not hold up small ones. */
const FRAME_BYTES = 256 * 1024;
/** Frames of this many tasks: larger ones gain nothing and make the first wait for the last. */
const FRAME_TASKS = Math.min(256, BATCH_MAX);
/** Where in the frame a refused task stood, which says nothing to whoever submitted it. */
const PLACE = /^tasks\[\d+\]\./;
/** How exactly deadlines are kept and signals heeded: thousands of submits may share a signal. */
const SWEEP_MS = 50;

export interface Submission {
  readonly task: SubmitTask;
  readonly resolve: (ok: SubmitOk) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
  readonly until: number;
  readonly bytes: number;
  settled: boolean;
  /** A copy is on its way and has no answer yet. */
  inFlight: boolean;
  /** A copy was sent whose fate is not known and never will be. */
  doubtful: boolean;
  tries: number;
  sentAt: number;
  /** Not before this. */
  notBefore: number;
  /** Not before a leader is known, either: it could not be answered in time otherwise. */
  held: boolean;
  lastError: Error | undefined;
}

export class Submitter {
  readonly #link: Link;
  readonly #seen: SeenIndex;
  readonly #leader: LeaderQuestion;
  /** Told of each answered refusal or success, so that a node without a leader can be left. */
  readonly #onOutcome: (code: string) => void;
  readonly #open = new Set<Submission>();
  #queue: Submission[] = [];
  #inFlightTasks = 0;
  #inFlightBytes = 0;
  #scheduled = false;
  #sweep: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(
    link: Link,
    seen: SeenIndex,
    leader: LeaderQuestion,
    onOutcome: (code: string) => void,
  ) {
    this.#link = link;
    this.#seen = seen;
    this.#leader = leader;
    this.#onOutcome = onOutcome;
  }

  submit(task: SubmitTask, deadlineMs: number, signal?: AbortSignal): Promise<SubmitOk> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const submission: Submission = {
        task,
        resolve,
        reject,
        signal,
        deadlineMs,
        until: performance.now() + deadlineMs,
        bytes: frameBytes(task),
        settled: false,
        inFlight: false,
        doubtful: false,
        tries: 0,
        sentAt: 0,
        notBefore: 0,
        held: false,
        lastError: undefined,
      };
      this.#open.add(submission);
      this.#queue.push(submission);
      this.#sweep ??= setInterval(() => this.#checkDeadlines(), SWEEP_MS);
      this.schedule();
    });
  }

  /** Sends what can be sent, at the end of this turn. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** There is a new connection: what waits because the old one refused it need not wait longer. */
  retryNow(): void {
    for (const submission of this.#queue) submission.notBefore = 0;
    this.schedule();
  }

  /** Resolves when nothing waits for an answer any more. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Gives up everything that is open. */
  failAll(toReason: (submission: Submission) => Error): void {
    for (const submission of this.#open) this.#reject(submission, toReason(submission));
    this.#queue = [];
  }

  #flush(): void {
    const connection = this.#link.connection;
    if (connection === undefined) return;
    const now = performance.now();
    const later: Submission[] = [];
    let batch: Submission[] = [];
    let bytes = 0;
    let position = 0;
    for (; position < this.#queue.length && this.#hasRoom(); position++) {
      const submission = this.#queue[position]!;
      if (submission.settled) continue;
      if (submission.signal?.aborted === true) {
        this.#reject(submission, submission.signal.reason);
        continue;
      }
      if (submission.held || submission.notBefore > now) {
        later.push(submission);
        continue;
      }
      if (
        batch.length === FRAME_TASKS ||
        (batch.length > 0 && bytes + submission.bytes > FRAME_BYTES)
      ) {
        this.#send(connection, batch);
        batch = [];
        bytes = 0;
      }
      batch.push(submission);
      bytes += submission.bytes;
      this.#inFlightTasks++;
      this.#inFlightBytes += submission.bytes;
    }
    this.#queue = later.concat(this.#queue.slice(position));
    if (batch.length > 0) this.#send(connection, batch);
  }

  #hasRoom(): boolean {
    return this.#inFlightTasks < IN_FLIGHT_TASKS_MAX && this.#inFlightBytes < IN_FLIGHT_BYTES_MAX;
  }

  #send(connection: Connection, batch: readonly Submission[]): void {
    try {
      connection.request({ kind: "submit", tasks: batch.map(({ task }) => task) }, (answer) => {
        this.#landed(batch);
        if (answer?.kind === "submitted") {
          this.#seen.note(connection.welcome.clusterId, answer.index);
        }
        this.#settle(batch, answer);
      });
    } catch (error) {
      this.#landed(batch);
      this.#unsendable(connection, batch, error as Error);
      return;
    }
    for (const submission of batch) {
      submission.inFlight = true;
      submission.tries++;
      submission.sentAt = performance.now();
    }
  }

  /** One task that has no form on the wire must not take its neighbours with it. */
  #unsendable(connection: Connection, batch: readonly Submission[], error: Error): void {
    const [first] = batch;
    if (first !== undefined && batch.length === 1) {
      const refusal =
        error instanceof TqError
          ? error
          : new TqError("invalid_request", error.message, { cause: error });
      this.#reject(first, refusal);
      return;
    }
    for (const submission of batch) {
      this.#inFlightTasks++;
      this.#inFlightBytes += submission.bytes;
      this.#send(connection, [submission]);
    }
  }

  #landed(batch: readonly Submission[]): void {
    this.#inFlightTasks -= batch.length;
    for (const { bytes } of batch) this.#inFlightBytes -= bytes;
    if (this.#queue.length > 0) this.schedule();
  }

  #settle(batch: readonly Submission[], answer: Message | undefined): void {
    if (answer?.kind === "submitted" && answer.results.length === batch.length) {
      for (const [i, result] of answer.results.entries()) this.#settleOne(batch[i]!, result);
    } else if (answer?.kind === "error") {
      for (const submission of batch) this.#settleOne(submission, { ok: false, ...answer });
    } else {
      for (const submission of batch) {
        submission.inFlight = false;
        submission.doubtful = true;
        this.#requeue(submission, 0, undefined);
      }
    }
  }

  #settleOne(submission: Submission, result: SubmitOk | ItemError): void {
    if (submission.settled) return;
    if (result.ok) {
      this.#onOutcome("ok");
      this.#close(submission);
      submission.resolve(result);
      return;
    }
    this.#onOutcome(result.code);
    const { code, message, field } = result;
    const error = toError(code, message.replace(PLACE, ""), field.replace(PLACE, ""));
    submission.inFlight = false;
    if (result.code === "outcome_unknown") submission.doubtful = true;
    // Refused for want of room, it was not taken now; whether it was before, nobody has said.
    const isUnsure = result.code === "disk_full" && submission.doubtful;
    const again = mayResend(result.code) || isUnsure;
    submission.held = result.code === "no_leader" && isLate(submission);
    if (again) this.#requeue(submission, resendDelayMs(submission.tries, result.code), error);
    else this.#reject(submission, error);
  }

  #requeue(submission: Submission, delayMs: number, error: Error | undefined): void {
    if (submission.settled) return;
    submission.notBefore = delayMs === 0 ? 0 : performance.now() + delayMs;
    submission.lastError = error ?? submission.lastError;
    this.#queue.push(submission);
    this.schedule();
  }

  #checkDeadlines(): void {
    const now = performance.now();
    const refusal = this.#link.refusal;
    for (const submission of this.#open) {
      const { task, deadlineMs, lastError, signal } = submission;
      const sent = submission.inFlight || submission.doubtful;
      if (signal?.aborted === true) this.#reject(submission, signal.reason);
      else if (refusal !== undefined && !sent) this.#reject(submission, refusal);
      else if (now >= submission.until) {
        const what = `submit of ${formatTaskId(task.id)}`;
        this.#reject(submission, outOfTime(what, deadlineMs, sent, lastError));
      }
    }
    if (this.#queue.length > 0) this.schedule();
    if (this.#queue.some(({ held }) => held)) void this.#release();
  }

  /** Those that were held may go once there is a leader to answer them. */
  async #release(): Promise<void> {
    if (!(await this.#leader.isKnown())) return;
    for (const submission of this.#queue) submission.held = false;
    this.schedule();
  }

  #reject(submission: Submission, error: unknown): void {
    this.#close(submission);
    submission.reject(error);
  }

  #close(submission: Submission): void {
    submission.settled = true;
    this.#open.delete(submission);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** It was certainly not done so far, and would not be answered again before its deadline. */
function isLate({ doubtful, until, sentAt }: Submission): boolean {
  const now = performance.now();
  return !doubtful && !isAnsweredWithin(until - now, now - sentAt);
}
