/** The worker library: `createWorker`, what handlers are given, and what they may throw. */
import type { AnyTasks, TaskMap } from "task-queue-client";
import type { DialOptions } from "task-queue-client/connection";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { type ResolvedOptions, resolveOptions, type WorkerOptions } from "./options.ts";
import { handleSignals } from "./signals.ts";
import { tcpDialer } from "./tcp-dialer.ts";
import { Worker } from "./worker.ts";
import type { ResultsOf } from "./worker-event.ts";

/** What stands between a worker and its surroundings: tests put something of their own there. */
export interface Surroundings {
  readonly clock?: Clock;
  /** Opens the connections to brokers. */
  readonly openSocket?: DialOptions["openSocket"];
  /** Makes the ids of tasks that handlers submit; by default a UUIDv7 of now. */
  readonly mintId?: (() => string) | undefined;
}

/**
 * A worker that is ready to start. Throws `TypeError` for options that cannot be. Nothing is opened
 * before `start`.
 */
export function createWorker<const M extends TaskMap = AnyTasks>(
  options: WorkerOptions<M>,
  { clock = SYSTEM_CLOCK, openSocket, mintId }: Surroundings = {},
): Worker<ResultsOf<M>> {
  const resolved: ResolvedOptions = resolveOptions(options);
  const dialer = tcpDialer(clock, resolved.apiKey, resolved.tls, openSocket);
  const worker = new Worker<ResultsOf<M>>(resolved, { clock, dialer, random: Math.random, mintId });
  if (resolved.handleSignals) handleSignals(worker, process, resolved.logger);
  return worker;
}

export { defineTasks, task, taskWith } from "task-queue-client";
export type { Clock, Timer } from "./clock.ts";
export { type AbortCause, NonRetryable, RetryAfter, TaskAborted } from "./errors.ts";
export type { ChildOptions, Handler, Handlers, HandlersOf, TaskContext } from "./handler.ts";
export { type BuiltinOptions, builtinHandlers } from "./handlers/index.ts";
export type { Logger } from "./logger.ts";
export type { RunContext, RunMiddleware } from "./middleware.ts";
export type { ShutdownOptions, WorkerOptions } from "./options.ts";
export type { Worker } from "./worker.ts";
export type {
  EventsOptions,
  MissedEvents,
  ResultsOf,
  TypedResult,
  WorkerEvent,
  WorkerEventKind,
  WorkerEvents,
} from "./worker-event.ts";
export type { StopOptions, StopReport, WorkerState, WorkerStatus } from "./worker-status.ts";
