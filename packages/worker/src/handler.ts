/**
 * What a handler is given and what it may do: the whole surface between the worker and the code
 * that does the work. A handler is called once for each attempt, and any attempt may be a
 * repetition of one that was cut off: side effects belong behind `ctx.token` or the task's id.
 */
import type { PayloadOf, ResultOf, TaskMap, TypeOf } from "task-queue-client";
import type { PriorityName } from "task-queue-protocol";
import type { Logger } from "./logger.ts";

export interface TaskContext {
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
  /** Carries the task's id, type and attempt on every line. */
  readonly log: Logger;
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
export type Handler<Payload = unknown, Result = unknown> = (
  payload: Payload,
  ctx: TaskContext,
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
  : { readonly [K in TypeOf<M>]?: Handler<PayloadOf<M, K>, ResultOf<M, K>> };
