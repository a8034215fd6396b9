/** Answers of the operations as the messages of `proto/taskqueue.proto`. */
import type {
  AttemptJson,
  ClusterJson,
  EventJson,
  RetryJson,
  TaskJson,
  WorkerJson,
} from "task-queue-protocol";
import type { QueueDetailJson } from "../operations/queues.ts";
import { type BatchResult, batchErrorToJson, type Submitted } from "../operations/submit.ts";
import { keptBytesOf } from "../operations/task-to-json.ts";
import { BINARY_TYPE, JSON_TYPE } from "./to-input.ts";
import { toDuration, toEnum, toTimestamp } from "./values.ts";

type Contents = "payload" | "payload_base64" | "data" | "result" | "result_base64";
type WithoutUnit<Name> = Name extends `${infer Rest}_ms` ? Rest : Name;

/** With all fields of a task as JSON: one that is forgotten below does not compile. */
type TaskMessage = Record<
  "payload" | "result" | WithoutUnit<Exclude<keyof TaskJson, Contents>>,
  unknown
>;

/**
 * With payload and result where the operation shows them. One literal, although much of it is as
 * it was: spreads of so many fields make objects that are slow to make and to read.
 */
export function toTask(task: TaskJson): TaskMessage {
  const { lease, progress } = task;
  const kept = keptBytesOf(task);
  return {
    id: task.id,
    type: task.type,
    queue: task.queue,
    payload: kept && toContent(kept.payload, task.payload_base64 === undefined),
    priority: toEnum("PRIORITY", task.priority),
    delay: toDuration(task.delay_ms),
    run_at: toTimestamp(task.run_at),
    expires_at: toTimestamp(task.expires_at),
    expires_in: toDuration(task.expires_in_ms),
    timeout: toDuration(task.timeout_ms),
    max_retries: task.max_retries,
    retry: task.retry && toRetry(task.retry),
    idempotency_key: task.idempotency_key,
    unique_key: task.unique_key,
    unique_for: toDuration(task.unique_for_ms),
    unique_conflict: toEnum("UNIQUE_CONFLICT", task.unique_conflict),
    group: task.group,
    required_labels: task.required_labels,
    depends_on: task.depends_on,
    on_parent_failure: toEnum("PARENT_FAILURE", task.on_parent_failure),
    tags: task.tags,
    metadata: task.metadata && JSON.stringify(task.metadata),
    traceparent: task.traceparent,
    state: toEnum("TASK_STATE", task.state),
    attempt: task.attempt,
    attempts: task.attempts.map(toAttempt),
    result: kept?.result && toContent(kept.result, task.result_base64 === undefined),
    error: task.error,
    lease: lease && { ...lease, deadline: toTimestamp(lease.deadline) },
    progress: progress && {
      value: JSON.stringify(progress.value),
      at: toTimestamp(progress.at),
    },
    log_lines: task.log_lines,
    created_at: toTimestamp(task.created_at),
    updated_at: toTimestamp(task.updated_at),
    started_at: toTimestamp(task.started_at),
    finished_at: toTimestamp(task.finished_at),
    due_at: toTimestamp(task.due_at),
    waits_for: task.waits_for,
    original_queue: task.original_queue,
  };
}

export function toSubmitted({ task, duplicate }: Submitted): object {
  return { task: toTask(task), duplicate };
}

export function toSubmitResult(result: BatchResult): object {
  if ("task" in result) return { accepted: toSubmitted(result) };
  const { id, error } = batchErrorToJson(result);
  return { refused: { ...error, task_id: id } };
}

export function toEvent(event: EventJson): object {
  return {
    ...event,
    at: toTimestamp(event.at),
    kind: toEnum("EVENT_KIND", event.kind),
    state: toEnum("TASK_STATE", event.state),
  };
}

export function toQueue(queue: QueueDetailJson): object {
  const { settings } = queue;
  return {
    ...queue,
    oldest_pending_at: toTimestamp(queue.oldest_pending_at),
    oldest_pending_age: toDuration(queue.oldest_pending_age_ms),
    settings: settings && {
      ...settings,
      default_ttl: toDuration(settings.default_ttl_ms),
      group_weights: Object.entries(settings.group_weights).map(([group, weight]) => {
        return { group, weight };
      }),
      retry: toRetry(settings.retry),
      max_retries: settings.retry.max_retries,
      retention: {
        ...settings.retention,
        age: toDuration(settings.retention.age_ms),
        dead_age: toDuration(settings.retention.dead_age_ms),
        result_age: toDuration(settings.retention.result_age_ms),
        log_age: toDuration(settings.retention.log_age_ms),
      },
    },
  };
}

export function toWorker(worker: WorkerJson): object {
  return {
    ...worker,
    labels: Object.entries(worker.labels).map(([key, value]) => `${key}=${value}`),
    last_heartbeat_at: toTimestamp(worker.last_heartbeat_at),
  };
}

export function toCluster(cluster: ClusterJson): object {
  return { ...cluster, leader_id: cluster.leader_id ?? "" };
}

/** A result that calls itself JSON and is none is shown as bytes, as everywhere. */
function toContent(data: Uint8Array, isJson: boolean): object {
  return { content_type: isJson ? JSON_TYPE : BINARY_TYPE, data };
}

function toRetry(retry: RetryJson): object {
  const { backoff, backoff_multiplier, delays_ms, jitter } = retry;
  return {
    backoff: toEnum("BACKOFF", backoff),
    initial_delay: toDuration(retry.initial_delay_ms),
    backoff_multiplier,
    max_delay: toDuration(retry.max_delay_ms),
    delays: delays_ms?.map(toDuration),
    ...(typeof jitter === "string"
      ? { jitter_kind: toEnum("JITTER_KIND", jitter) }
      : { jitter_share: jitter }),
  };
}

function toAttempt(attempt: AttemptJson): object {
  return {
    ...attempt,
    started_at: toTimestamp(attempt.started_at),
    ended_at: toTimestamp(attempt.ended_at),
  };
}
