/** How a worker says how it stands, and how it has ended. */

export type WorkerState = "idle" | "running" | "paused" | "draining" | "stopped";

/** What became of the tasks that the worker held when it was stopped. */
export interface StopReport {
  /** Ran to their end, well or not. */
  readonly finished: number;
  /** Given back before they began. */
  readonly returned: number;
  /** Told to stop, and given back. */
  readonly aborted: number;
  /** Results that no broker could be told of; these tasks will run again. */
  readonly undelivered: number;
}

export interface StopOptions {
  readonly graceMs?: number;
  readonly abortMs?: number;
}

/** A worker's own figures, for health checks and curiosity. */
export interface WorkerStatus {
  readonly state: WorkerState;
  readonly connected: boolean;
  /** The broker it is registered with. */
  readonly broker: string | undefined;
  readonly running: number;
  readonly waiting: number;
  /** Still at work although their lease is lost. */
  readonly abandoned: number;
  readonly unreported: number;
  readonly completed: number;
  readonly failed: number;
  /** Connections to brokers that failed or broke. */
  readonly connectionErrors: number;
}
