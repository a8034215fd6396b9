/**
 * A task as REST, tq-admin and the client show it: snake_case, times RFC 3339 with milliseconds.
 */

export type TaskStateName =
  | "scheduled"
  | "blocked"
  | "pending"
  | "running"
  | "retrying"
  | "completed"
  | "dead"
  | "cancelled"
  | "expired";

export type LogLevelName = "debug" | "info" | "warn" | "error";

export type PriorityName = "low" | "normal" | "high" | "critical";

export type BackoffName = "exponential" | "linear" | "fixed" | "list";

export type UniqueConflictName = "keep" | "replace" | "reject";

export type ParentFailureName = "fail" | "cancel" | "continue";

export interface RetryJson {
  /** How the waits grow; default exponential. */
  backoff?: BackoffName;
  initial_delay_ms?: number;
  backoff_multiplier?: number;
  max_delay_ms?: number;
  /** Of backoff `list`: the waits, of which the last stands for all that follow. At most 100. */
  delays_ms?: number[];
  /**
   * Up to this share of a wait is added to it, 0 to 1; `none` is 0. `full` draws from all of it,
   * `equal` from its second half.
   */
  jitter?: number | "none" | "full" | "equal";
}

/** What a submitter may send; `type` is the only field that must be there. */
export interface SubmitJson {
  /** UUIDv7; made by the client library or the first broker when absent. */
  id?: string;
  type: string;
  queue?: string;
  payload?: unknown;
  payload_base64?: string;
  priority?: PriorityName;
  delay_ms?: number;
  run_at?: string;
  timeout_ms?: number;
  max_retries?: number;
  retry?: RetryJson;
  idempotency_key?: string;
  tags?: string[];
  metadata?: Record<string, unknown>;
  traceparent?: string;
  /** Not begun by then it is expired. Either this or `expires_in_ms`. */
  expires_at?: string;
  expires_in_ms?: number;
  /** At most one task of a queue has it: while that is live, or for `unique_for_ms`. */
  unique_key?: string;
  unique_for_ms?: number;
  /** What becomes of this submit when it is taken; default keep. */
  unique_conflict?: UniqueConflictName;
  /** On whose behalf: groups of a queue take turns. */
  group?: string;
  /** `key=value`, all of which a worker must have. */
  required_labels?: string[];
  /** Ids of tasks that it waits for. */
  depends_on?: string[];
  /** When one of those ends without success; default fail. */
  on_parent_failure?: ParentFailureName;
}

export interface ErrorJson {
  message: string;
  stack?: string;
}

export interface AttemptJson {
  number: number;
  worker_id: string;
  token: string;
  started_at: string;
  ended_at?: string;
  outcome?: string;
  error?: ErrorJson;
}

export interface TaskJson extends SubmitJson {
  id: string;
  queue: string;
  priority: PriorityName;
  max_retries: number;
  state: TaskStateName;
  attempt: number;
  attempts: AttemptJson[];
  result?: unknown;
  result_base64?: string;
  error?: ErrorJson;
  lease?: { worker_id: string; token: string; deadline: string };
  /** What a handler said last of how far it is. */
  progress?: { value: unknown; at: string };
  /** Lines in the task's log, those that are kept no more included. */
  log_lines?: number;
  due_at?: string;
  /** Parents that it still waits for. */
  waits_for?: number;
  /** Where it was submitted, when it has moved to a dead letter queue. */
  original_queue?: string;
  created_at: string;
  updated_at: string;
  started_at?: string;
  finished_at?: string;
}
