/**
 * What a handler is given and what it may do: the whole surface between the worker and the code
 * that does the work. A handler is called once for each attempt, and any attempt may be a
 * repetition of one that was cut off: side effects belong behind `ctx.token` or the task's id.
 */
import type {
  ProgressOf,
  ReceivedOf,
  ResultOf,
  SubmitOptions,
  TaskMap,
  TypeOf,
} from "task-queue-client";
import type { PriorityName } from "task-queue-protocol";
import type { Logger } from "./logger.ts";

/** As of a client's submit. */
export type ChildOptions = Omit<SubmitOptions, "deadlineMs" | "signal">;

export interface TaskContext<Progress = unknown> {
  /** The task's id, a UUIDv7 in text. */
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  /** From 1; every delivery of the task to a worker counts. */
  readonly attempt: number;
  readonly maxRetries: number;
  /**
   * Fencing token: grows with every lease of any task. Storage that remembers the greatest token it
   * has seen can refuse a run that lost its lease without noticing.
   */
  readonly token: bigint;
  readonly priority: PriorityName;
  readonly tags: readonly string[];
  /** What the submitter attached besides the payload. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** When the task was submitted, on the cluster's clock. */
  readonly createdAt: Date;
  /** W3C trace context of the submitter; empty = none. */
  readonly traceparent: string;
  /** Fires when the run is ended from outside; `signal.reason` is a `TaskAborted`. */
  readonly signal: AbortSignal;
  /**
   * Carries the task's id, type and attempt on every line. Lines go to the task's log in the
   * cluster, too: 1 KiB of each, the newest 100 a second, of which the newest 1,000 are kept.
   */
  readonly log: Logger;
  /**
   * Says how far the run is: any JSON value of at most 4 KiB, the newest of each second counts.
   * Throws `TypeError` or `RangeError` for anything else.
   */
  progress(value: Progress): void;
  /**
   * A task that is made when this one completes, together with the others and its result: all of
   * them, or this run fails. Answers its id, for `dependsOn` of the next. At most 1,000; a run that
   * fails makes none. Throws `TqError` for options that cannot be sent.
   */
  submit(type: string, payload?: unknown, options?: ChildOptions): string;
  /**
   * Keeps the lease for at least `forMs` milliseconds from now, even if this worker falls silent.
   * Rarely needed: heartbeats keep the leases of a live worker. Rejects with the broker's refusal.
   */
  extend(forMs: number): Promise<void>;
}

/**
 * Does one task. What it returns is the result: any JSON value, bytes, or nothing. What it throws
 * is the failure: see `NonRetryable` and `RetryAfter`. A binary payload arrives as a `Uint8Array`.
 */
export type Handler<Payload = unknown, Result = unknown, Progress = unknown> = (
  payload: Payload,
  ctx: TaskContext<Progress>,
) => Result | Promise<Result>;

/**
 * A handler of whatever payload. Written as a method, whose parameters the compiler does not
 * compare strictly, so that a handler may name the payload that it expects.
 */
export type AnyHandler = { run(payload: unknown, ctx: TaskContext): unknown }["run"];

/** Handlers by task type. */
export type Handlers = Readonly<Record<string, AnyHandler>>;

/** Handlers of a task map, each with its type's payload and result; without a map, of any type. */
export type HandlersOf<M extends TaskMap> = string extends keyof M
  ? Handlers
  : { readonly [K in TypeOf<M>]?: Handler<ReceivedOf<M, K>, ResultOf<M, K>, ProgressOf<M, K>> };
