/** What an operator says about one queue; replicated, so that apply may read it. */
import type { RetryPolicy } from "./task.ts";

export interface QueueSettings {
  /** Unfinished tasks at most; 0 = as the leader's configuration says. */
  readonly depthLimit: number;
  /** Expiry of tasks that say nothing of one, from their submit on; 0 = none. */
  readonly defaultTtlMs: number;
  /** Goes before the leader's configuration, and behind what a submit says. */
  readonly retry: Partial<RetryPolicy>;
  /** Tasks running at one time, in all and of each group; 0 = no limit. */
  readonly concurrency: number;
  readonly groupConcurrency: number;
  /** Share of this queue against others that the same workers serve, 1 to 1000. */
  readonly weight: number;
  /** Shares of groups, by name, sorted; others have 1. At most 1,000. */
  readonly groupWeights: readonly GroupWeight[];
  /** Where a task goes on, as a pending one, that would be dead here. Empty = nowhere. */
  readonly deadLetterQueue: string;
  readonly retention: Retention;
}

export interface GroupWeight {
  readonly group: string;
  /** 1 to 1000. */
  readonly weight: number;
}

/** How long finished tasks are kept. 0 = as the configuration says, or without a limit. */
export interface Retention {
  /** Of completed, cancelled and expired tasks, from their end on. */
  readonly ageMs: number;
  /** Of dead tasks; 0 = until somebody deletes them. */
  readonly deadAgeMs: number;
  /** How many finished tasks, dead ones not counted; the oldest go first. */
  readonly count: number;
  /** How many bytes of them. */
  readonly bytes: number;
  /** Results and log lines may go before their task. */
  readonly resultAgeMs: number;
  readonly logAgeMs: number;
}

export const DEFAULT_RETENTION: Retention = Object.freeze({
  ageMs: 0,
  deadAgeMs: 0,
  count: 0,
  bytes: 0,
  resultAgeMs: 0,
  logAgeMs: 0,
});

/** Of a queue that nobody has said anything about. */
export const DEFAULT_SETTINGS: QueueSettings = Object.freeze({
  depthLimit: 0,
  defaultTtlMs: 0,
  retry: Object.freeze({}),
  concurrency: 0,
  groupConcurrency: 0,
  weight: 1,
  groupWeights: [],
  deadLetterQueue: "",
  retention: DEFAULT_RETENTION,
});
