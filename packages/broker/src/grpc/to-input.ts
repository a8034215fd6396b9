/** Requests as the operations read them: the same plain objects that JSON would have given. */
import { TqError } from "task-queue-protocol";
import { invalid, shown } from "../operations/invalid.ts";
import { PayloadBytes } from "../operations/parse-task.ts";
import type {
  ListTasksRequest,
  WatchTasksRequest,
  WireContent,
  WireNewTask,
  WireRetry,
} from "./service.ts";
import { dateTimeOf, listOf, msOf, textOf, wordOf } from "./values.ts";

export const JSON_TYPE = "application/json";
export const BINARY_TYPE = "application/octet-stream";

/** `prefix`: of field names in messages, such as `tasks[3].`. Throws `TqError`. */
export function toSubmitInput(task: WireNewTask | null, prefix = ""): object {
  if (task === null) throw invalid(prefix === "" ? "task" : prefix.slice(0, -1), "it is missing");
  return {
    id: textOf(task.id),
    type: textOf(task.type),
    queue: textOf(task.queue),
    payload: toPayload(task.payload, `${prefix}payload`),
    priority: wordOf("PRIORITY", task.priority),
    delay_ms: msOf(task.delay),
    run_at: dateTimeOf(task.run_at, `${prefix}run_at`),
    expires_at: dateTimeOf(task.expires_at, `${prefix}expires_at`),
    expires_in_ms: msOf(task.expires_in),
    timeout_ms: msOf(task.timeout),
    max_retries: task.max_retries,
    retry: toRetry(task.retry),
    idempotency_key: textOf(task.idempotency_key),
    unique_key: textOf(task.unique_key),
    unique_for_ms: msOf(task.unique_for),
    unique_conflict: wordOf("UNIQUE_CONFLICT", task.unique_conflict),
    group: textOf(task.group),
    required_labels: listOf(task.required_labels),
    depends_on: listOf(task.depends_on),
    on_parent_failure: wordOf("PARENT_FAILURE", task.on_parent_failure),
    tags: listOf(task.tags),
    metadata: toMetadata(task.metadata, `${prefix}metadata`),
    traceparent: textOf(task.traceparent),
  };
}

/** One of several tasks must not spoil the others: what is wrong with it stands in its place. */
export function orRefusal(read: () => object): object {
  try {
    return read();
  } catch (error) {
    if (error instanceof TqError) return error;
    throw error;
  }
}

/** What `parseListQuery` reads. */
export function toListInput(request: ListTasksRequest): object {
  const { created_from, created_to, finished_from, finished_to } = request;
  return {
    status: wordOf("TASK_STATE", request.state),
    queue: textOf(request.queue),
    type: textOf(request.type),
    tag: textOf(request.tag),
    group: textOf(request.group),
    created_from: dateTimeOf(created_from, "created_from"),
    created_to: dateTimeOf(created_to, "created_to"),
    finished_from: dateTimeOf(finished_from, "finished_from"),
    finished_to: dateTimeOf(finished_to, "finished_to"),
    error: textOf(request.error),
    limit: request.limit === 0 ? undefined : request.limit,
    cursor: textOf(request.cursor),
    payload: request.payload,
    consistency: wordOf("CONSISTENCY", request.consistency),
  };
}

/** What `parseEventFilter` reads. */
export function toFilterInput(request: WatchTasksRequest): object {
  const kinds = request.kinds.flatMap((kind) => wordOf("EVENT_KIND", kind) ?? []);
  return {
    queue: textOf(request.queue),
    type: textOf(request.type),
    id: textOf(request.id),
    kind: kinds.length === 0 ? undefined : kinds.join(","),
  };
}

function toPayload(content: WireContent | null, field: string): PayloadBytes | undefined {
  if (content === null) return undefined;
  const { content_type: type, data } = content;
  // A copy: what came is a part of a larger message, which would stay in memory as long as this.
  if (type === "" || type === JSON_TYPE) return new PayloadBytes(Uint8Array.from(data), "json");
  if (type === BINARY_TYPE) return new PayloadBytes(Uint8Array.from(data), "binary");
  const allowed = `allowed are ${JSON_TYPE} and ${BINARY_TYPE}`;
  throw invalid(`${field}.content_type`, `${shown(type)} is not known here; ${allowed}`);
}

function toRetry(retry: WireRetry | null): object | undefined {
  if (retry === null) return undefined;
  const delays = retry.delays.flatMap((delay) => msOf(delay) ?? []);
  const kind =
    retry.jitter_kind === undefined ? undefined : wordOf("JITTER_KIND", retry.jitter_kind);
  return {
    backoff: wordOf("BACKOFF", retry.backoff),
    initial_delay_ms: msOf(retry.initial_delay),
    backoff_multiplier: retry.backoff_multiplier,
    max_delay_ms: msOf(retry.max_delay),
    delays_ms: delays.length === 0 ? undefined : delays,
    jitter: kind ?? retry.jitter_share,
  };
}

function toMetadata(text: string, field: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(field, "not JSON; an object is expected");
  }
}
