/**
 * A worker inside of this program, for verbs that make tasks of their own and want them done. Its
 * library is loaded only there: no other verb waits for that.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { TlsOptions } from "task-queue-client/connection";
import type { Logger, Worker } from "task-queue-worker";
import { CliError, EXIT } from "../exit-status.ts";

export interface OwnWorkerOptions {
  readonly servers: string;
  readonly apiKey: string;
  /** undefined = plain text. */
  readonly tls: TlsOptions | undefined;
  readonly queue: string;
  readonly type: string;
  readonly concurrency: number;
  /** Done at once with whatever this answers. */
  readonly handle: (payload: unknown) => unknown;
  /** How long it may take until a broker has it. */
  readonly withinMs: number;
}

/** It works from now on. Throws `CliError` with the reason when no broker takes it in. */
export async function startOwnWorker(options: OwnWorkerOptions): Promise<Worker> {
  const { createWorker } = await import("task-queue-worker");
  const { servers, apiKey, tls, queue, type, concurrency, handle, withinMs } = options;
  let why = "no broker answers";
  const note = (_: object, message: string): void => {
    why = message;
  };
  const logger: Logger = { debug() {}, info() {}, warn: note, error: note };
  const worker = createWorker({
    servers,
    apiKey,
    tls,
    queues: [queue],
    // Handlers that take no time are kept busy by what lies ready.
    prefetch: concurrency,
    concurrency,
    name: "tq-admin",
    logger,
    handlers: { [type]: async (payload: unknown) => handle(payload) },
  });
  const started = worker.start().then(() => true);
  const timer = new AbortController();
  const late = delay(withinMs, false, { signal: timer.signal }).catch(() => false);
  const isStarted = await Promise.race([started, late]);
  timer.abort();
  if (isStarted) return worker;
  await worker.stop({ graceMs: 0, abortMs: 0 });
  throw new CliError(EXIT.unavailable, `no broker takes in the worker of this program: ${why}`);
}
