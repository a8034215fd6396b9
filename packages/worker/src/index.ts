/** The worker library: `createWorker`, what handlers are given, and what they may throw. */
import type { AnyTasks, TaskMap } from "task-queue-client";
import { SYSTEM_CLOCK } from "./clock.ts";
import { type ResolvedOptions, resolveOptions, type WorkerOptions } from "./options.ts";
import { handleSignals } from "./signals.ts";
import { tcpDialer } from "./tcp-dialer.ts";
import { Worker } from "./worker.ts";

/**
 * A worker that is ready to start. Throws `TypeError` for options that cannot be. Nothing is opened
 * before `start`.
 */
export function createWorker<const M extends TaskMap = AnyTasks>(
  options: WorkerOptions<M>,
): Worker {
  const resolved: ResolvedOptions = resolveOptions(options);
  const dialer = tcpDialer(SYSTEM_CLOCK, resolved.apiKey, resolved.tls);
  const worker = new Worker(resolved, { clock: SYSTEM_CLOCK, dialer, random: Math.random });
  if (resolved.handleSignals) handleSignals(worker, process, resolved.logger);
  return worker;
}

export { defineTasks, task } from "task-queue-client";
export { type AbortCause, NonRetryable, RetryAfter, TaskAborted } from "./errors.ts";
export type { ChildOptions, Handler, Handlers, HandlersOf, TaskContext } from "./handler.ts";
export { type BuiltinOptions, builtinHandlers } from "./handlers/index.ts";
export type { Logger } from "./logger.ts";
export type { ShutdownOptions, WorkerOptions } from "./options.ts";
export type {
  StopOptions,
  StopReport,
  Worker,
  WorkerState,
  WorkerStatus,
} from "./worker.ts";
