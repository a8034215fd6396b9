/**
 * SIGTERM and SIGINT for a process whose business is a worker: the first drains it, the second ends
 * the process at once with 128 + the signal's number, as a shell would report it.
 */
import { constants } from "node:os";
import type { Logger } from "./logger.ts";
import type { StopReport } from "./worker-status.ts";

/** The part of `process` that is needed. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): void;
}

interface Stoppable {
  stop(): Promise<StopReport>;
  readonly done: Promise<void>;
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Listens until the worker is done; what the process does then is its own affair. */
export function handleSignals(worker: Stoppable, source: SignalSource, logger: Logger): void {
  let stopping = false;
  const listeners = SIGNALS.map((signal) => {
    const listener = (): void => {
      if (stopping) {
        source.exit(128 + constants.signals[signal]);
        return;
      }
      stopping = true;
      logger.info({ signal }, "stopping: running tasks may finish; a second signal ends them");
      worker.stop().then(
        (report) => logger.info({ ...report }, "stopped"),
        (error: unknown) => logger.error({ error: String(error) }, "stopping failed"),
      );
    };
    source.on(signal, listener);
    return [signal, listener] as const;
  });
  const forget = (): void => {
    for (const [signal, listener] of listeners) source.off(signal, listener);
  };
  worker.done.then(forget, forget);
}
