/**
 * What a handler may throw to say how its failure is to be treated, and what its signal carries
 * when somebody else ended the run. Any other exception is an ordinary failure: the task is retried
 * as its retry policy says.
 */

/** The task can never succeed: it goes to the dead at once, without further attempts. */
export class NonRetryable extends Error {
  override readonly name = "NonRetryable";
}

/** Try again, but not before `delayMs` have passed. Uses one retry, as any failure does. */
export class RetryAfter extends Error {
  override readonly name = "RetryAfter";
  /** Milliseconds, a whole number from 0 up. */
  readonly delayMs: number;

  constructor(delayMs: number, message?: string, options?: ErrorOptions) {
    super(message ?? `to be tried again in ${delayMs} ms`, options);
    if (!Number.isFinite(delayMs) || delayMs < 0) {
      throw new RangeError(`RetryAfter takes milliseconds from 0 up, not ${delayMs}`);
    }
    this.delayMs = Math.ceil(delayMs);
  }
}

/** Why a run was ended before its handler was done. */
export type AbortCause = "cancelled" | "timeout" | "lease-lost" | "shutdown";

const SENTENCES: Readonly<Record<AbortCause, string>> = {
  cancelled: "the task was cancelled",
  timeout: "the run took longer than the task's timeout",
  "lease-lost": "this worker no longer holds the task; another may be running it",
  shutdown: "the worker is shutting down",
};

/** `ctx.signal.reason` of an aborted run. */
export class TaskAborted extends Error {
  override readonly name = "TaskAborted";
  readonly why: AbortCause;

  constructor(why: AbortCause) {
    super(SENTENCES[why]);
    this.why = why;
  }
}
