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

export type PriorityName = "low" | "normal" | "high" | "critical";

export interface RetryJson {
  initial_delay_ms?: number;
  backoff_multiplier?: number;
  max_delay_ms?: number;
  /** 0 to 1. */
  jitter?: number;
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
  due_at?: string;
  created_at: string;
  updated_at: string;
  started_at?: string;
  finished_at?: string;
}
