/** A task as JSON, for those that are submitted together. */
import {
  formatTaskId,
  type RetryJson,
  type SubmitJson,
  type SubmitTask,
} from "task-queue-protocol";

export function toSubmitJson({ id, content }: SubmitTask): SubmitJson {
  const { payload, payloadType, retry, extras } = content;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const json: SubmitJson = {
    id: formatTaskId(id),
    type: content.type,
    queue: content.queue,
    priority: content.priority,
    retry: toRetryJson(retry),
    tags: [...content.tags],
  };
  if (payloadType === "binary") json.payload_base64 = bytes.toString("base64");
  else json.payload = JSON.parse(bytes.toString("utf8"));
  if (content.delayMs > 0) json.delay_ms = content.delayMs;
  if (content.runAt > 0) json.run_at = new Date(content.runAt).toISOString();
  if (content.timeoutMs > 0) json.timeout_ms = content.timeoutMs;
  if (retry.maxRetries !== undefined) json.max_retries = retry.maxRetries;
  if (content.idempotencyKey !== "") json.idempotency_key = content.idempotencyKey;
  if (content.metadata !== "") json.metadata = JSON.parse(content.metadata);
  if (content.traceparent !== "") json.traceparent = content.traceparent;
  return extras === undefined ? json : { ...json, ...toExtrasJson(extras) };
}

function toRetryJson(retry: SubmitTask["content"]["retry"]): RetryJson {
  const json: RetryJson = {};
  if (retry.backoff !== undefined) json.backoff = retry.backoff;
  if (retry.initialDelayMs !== undefined) json.initial_delay_ms = retry.initialDelayMs;
  if (retry.multiplier !== undefined) json.backoff_multiplier = retry.multiplier;
  if (retry.maxDelayMs !== undefined) json.max_delay_ms = retry.maxDelayMs;
  if (retry.delaysMs !== undefined) json.delays_ms = [...retry.delaysMs];
  if (retry.jitter !== undefined) json.jitter = retry.jitter;
  if (retry.jitterKind === "full" || retry.jitterKind === "equal") json.jitter = retry.jitterKind;
  return json;
}

function toExtrasJson(extras: NonNullable<SubmitTask["content"]["extras"]>): Partial<SubmitJson> {
  const { unique, dependsOn } = extras;
  const json: Partial<SubmitJson> = {
    group: extras.group,
    required_labels: [...extras.requires],
    depends_on: dependsOn.map(formatTaskId),
    on_parent_failure: extras.onParentFailure,
  };
  if (extras.expiresInMs > 0) json.expires_in_ms = extras.expiresInMs;
  if (extras.expiresAt > 0) json.expires_at = new Date(extras.expiresAt).toISOString();
  if (unique === undefined) return json;
  const { key, forMs, onConflict } = unique;
  return { ...json, unique_key: key, unique_for_ms: forMs, unique_conflict: onConflict };
}
