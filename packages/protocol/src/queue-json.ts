/** Queues in calls and in REST: how they stand, and what an operator says of them. */
import type { ReadParams } from "./calls.ts";
import type { RetryJson, TaskStateName } from "./task-json.ts";

export interface QueueJson {
  name: string;
  counts: Partial<Record<TaskStateName, number>>;
  oldest_pending_at?: string;
  /** How long the first task in line has been pending. */
  oldest_pending_age_ms?: number;
  /** Nothing of it begins; absent, like all that follows: its broker is older than settings. */
  paused?: boolean;
  /** Nothing is taken in. */
  draining?: boolean;
  running?: number;
  /** Bytes of its finished tasks, dead ones not counted. */
  finished_bytes?: number;
  /** Raised by each change of settings, pause or drain; 0: nobody has said anything of it. */
  revision?: number;
  settings?: QueueSettingsJson;
}

/** 0 is "no limit", or as the brokers' configuration says. */
export interface QueueSettingsJson {
  /** Unfinished tasks at most. */
  depth_limit: number;
  /** Expiry of tasks that say nothing of one. */
  default_ttl_ms: number;
  /** Goes before the brokers' configuration, and behind what a task says. */
  retry: RetryJson & { max_retries?: number };
  /** Running tasks, in all and of each group. */
  concurrency: number;
  key_concurrency: number;
  /** 1 to 1,000: its share against other queues of the same workers. */
  weight: number;
  /** The same of its groups; others have 1. */
  group_weights: Record<string, number>;
  /** Where its dead tasks go on; empty: nowhere. */
  dead_letter_queue: string;
  retention: RetentionJson;
}

/** How long finished tasks are kept. */
export interface RetentionJson {
  /** Completed, cancelled and expired ones. */
  age_ms: number;
  /** Dead ones; 0: until somebody deletes them. */
  dead_age_ms: number;
  /** Finished tasks and their bytes, dead ones not counted; the oldest go first. */
  count: number;
  bytes: number;
  /** Results and log lines may go before their tasks. */
  result_age_ms: number;
  log_age_ms: number;
}

export interface QueueParams extends ReadParams {
  name: string;
}

/** What is left out stays as it is; `settings` are replaced as a whole. */
export interface ConfigureQueueParams {
  name: string;
  settings?: Partial<Omit<QueueSettingsJson, "retention">> & {
    retention?: Partial<RetentionJson>;
  };
  paused?: boolean;
  draining?: boolean;
  /** Refused with `state_conflict` unless it has this revision. */
  if_revision?: number;
}

export interface DeleteQueueParams {
  name: string;
}
