/**
 * A task as callers see it. What is empty is left out; what the submitter said stands there as it
 * was said, so that the document can be posted again.
 */
import { type AttemptJson, formatTaskId, type TaskJson } from "task-queue-protocol";
import type { Attempt, ContentType, TaskError, TaskView } from "../queue/index.ts";
import { exactly } from "./exact-json.ts";
import { nestsDeeperThan } from "./json-depth.ts";
import { RESULT_NESTING_MAX } from "./limits.ts";
import { retryToJson } from "./retry-policy.ts";
import { formatDateTime } from "./rfc3339.ts";

export interface TaskJsonOptions {
  /** With payload and result: they can be a thousand times larger than the rest. */
  readonly payload: boolean;
}

/** A task in the dead letter queue: the task, when it died, and of what. */
export interface DeadTaskJson extends TaskJson {
  failed_at: string;
  last_error?: { message: string; stack?: string };
}

/** Payload and result as they are kept: JSON that is read and written again is not the same. */
interface KeptBytes {
  readonly payload: Uint8Array;
  readonly result: Uint8Array | undefined;
}

const KEPT = new WeakMap<TaskJson, KeptBytes>();

/**
 * What stands behind `payload` and `result` of a task that is shown with them, for doors that carry
 * bytes; undefined when it is shown without.
 */
export function keptBytesOf(json: TaskJson): KeptBytes | undefined {
  return KEPT.get(json);
}

export function taskToJson(view: TaskView, options: TaskJsonOptions): TaskJson {
  const { content, retry } = view;
  const json: TaskJson = {
    id: formatTaskId(view.id),
    type: content.type,
    queue: view.queue,
    state: view.state,
    priority: content.priority,
    max_retries: retry.maxRetries,
    retry: retryToJson(retry),
    attempt: view.attempt,
    attempts: view.attempts.map(attemptToJson),
    created_at: formatDateTime(view.createdAt),
    updated_at: formatDateTime(view.updatedAt),
  };
  addContent(json, view);
  addExtras(json, view);
  addProgress(json, view);
  if (options.payload) addBytes(json, view);
  return json;
}

export function deadTaskToJson(view: TaskView, options: TaskJsonOptions): DeadTaskJson {
  const json = taskToJson(view, options);
  const failedAt = formatDateTime(view.finishedAt);
  if (view.error === undefined) return { ...json, failed_at: failedAt };
  return { ...json, failed_at: failedAt, last_error: errorToJson(view.error) };
}

/** Bytes that a page grows by when it shows payloads. */
export function bytesOf(view: TaskView): number {
  return view.content.payload.length + (view.result?.bytes.length ?? 0);
}

function addContent(json: TaskJson, { content }: TaskView): void {
  if (content.delayMs > 0) json.delay_ms = content.delayMs;
  if (content.runAt > 0) json.run_at = formatDateTime(content.runAt);
  if (content.timeoutMs > 0) json.timeout_ms = content.timeoutMs;
  if (content.idempotencyKey !== "") json.idempotency_key = content.idempotencyKey;
  if (content.tags.length > 0) json.tags = [...content.tags];
  if (content.metadata !== "") json.metadata = JSON.parse(content.metadata);
  if (content.traceparent !== "") json.traceparent = content.traceparent;
}

function addExtras(json: TaskJson, view: TaskView): void {
  const { content } = view;
  const { unique, dependsOn } = content;
  if (view.queue !== content.queue) json.original_queue = content.queue;
  // A finished task has no expiry any more; what was said of it still stands there.
  const expiresAt = view.finishedAt > 0 ? content.expiresAt : view.expiresAt;
  if (expiresAt > 0) json.expires_at = formatDateTime(expiresAt);
  if (content.expiresInMs > 0) json.expires_in_ms = content.expiresInMs;
  if (unique !== undefined) {
    json.unique_key = unique.key;
    if (unique.forMs > 0) json.unique_for_ms = unique.forMs;
    if (unique.onConflict !== "keep") json.unique_conflict = unique.onConflict;
  }
  if (content.group !== "") json.group = content.group;
  if (content.requires.length > 0) json.required_labels = [...content.requires];
  if (dependsOn.length > 0) json.depends_on = dependsOn.map(formatTaskId);
  if (content.onParentFailure !== "fail") json.on_parent_failure = content.onParentFailure;
  if (view.waitsFor > 0) json.waits_for = view.waitsFor;
}

function addProgress(json: TaskJson, view: TaskView): void {
  if (view.error !== undefined) json.error = errorToJson(view.error);
  if (view.lease !== undefined) {
    const { session, token, deadline } = view.lease;
    json.lease = {
      worker_id: session,
      token: String(token),
      deadline: formatDateTime(deadline),
    };
  }
  if (view.progress !== undefined) {
    const { value, at } = view.progress;
    json.progress = { value: JSON.parse(value), at: formatDateTime(at) };
  }
  if (view.logLines > 0) json.log_lines = view.logLines;
  if (view.dueAt > 0) json.due_at = formatDateTime(view.dueAt);
  if (view.startedAt > 0) json.started_at = formatDateTime(view.startedAt);
  if (view.finishedAt > 0) json.finished_at = formatDateTime(view.finishedAt);
}

function addBytes(json: TaskJson, { content, result }: TaskView): void {
  KEPT.set(json, { payload: content.payload, result: result?.bytes });
  const payload = bytesToJson(content.payload, content.payloadType);
  if (payload.kind === "json") json.payload = payload.value;
  else json.payload_base64 = payload.text;
  if (result === undefined) return;
  const shown = bytesToJson(result.bytes, result.type);
  if (shown.kind === "json") json.result = shown.value;
  else json.result_base64 = shown.text;
}

type Shown = { kind: "json"; value: unknown } | { kind: "base64"; text: string };

function bytesToJson(bytes: Uint8Array, type: ContentType): Shown {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === "binary") return { kind: "base64", text: buffer.toString("base64") };
  if (buffer.length === 0) return { kind: "json", value: null };
  // A worker's result is not read on its way in: what is no JSON, or cannot be written again
  // without exhausting the stack, is shown as the bytes it is.
  const text = buffer.toString("utf8");
  const value = parse(text);
  const isDeep = bytes.length > RESULT_NESTING_MAX && nestsDeeperThan(value, RESULT_NESTING_MAX);
  if (value === undefined || isDeep) return { kind: "base64", text: buffer.toString("base64") };
  return { kind: "json", value: exactly(text, value) };
}

/** Undefined when it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function attemptToJson(attempt: Attempt): AttemptJson {
  const json: AttemptJson = {
    number: attempt.number,
    worker_id: attempt.session,
    token: String(attempt.token),
    started_at: formatDateTime(attempt.startedAt),
  };
  if (attempt.endedAt > 0) json.ended_at = formatDateTime(attempt.endedAt);
  if (attempt.outcome !== undefined) json.outcome = attempt.outcome;
  if (attempt.error !== undefined) json.error = errorToJson(attempt.error);
  return json;
}

function errorToJson(error: TaskError): { message: string; stack?: string } {
  return error.stack === "" ? { message: error.message } : { ...error };
}
