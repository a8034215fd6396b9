/**
 * The rules that every submit obeys, whichever door it came through: names, sizes, ranges. Nothing
 * is changed or filled in; what passes is what the submitter said. On the path of every task, so no
 * allocation when all is well.
 */
import { isUtf8 } from "node:buffer";
import { isTaskId, TqError } from "task-queue-protocol";
import type { TaskContent, TaskId } from "../queue/index.ts";
import { checkExtras } from "./check-extras.ts";
import { checkKey, checkName, checkRange, isPrintable } from "./check-values.ts";
import { invalid, shown } from "./invalid.ts";
import { nestsDeeperThan } from "./json-depth.ts";
import {
  DURATION_MS_MAX,
  IDEMPOTENCY_KEY_BYTES_MAX,
  METADATA_BYTES_MAX,
  NESTING_MAX,
  TAG_LENGTH_MAX,
  TAGS_MAX,
} from "./limits.ts";
import { checkRetry } from "./retry-policy.ts";
import { JSON_TOO_DEEP, JSON_VALID, scanJson } from "./scan-json.ts";

/** A submit that passed. */
export interface ParsedSubmit {
  readonly id: TaskId;
  readonly content: TaskContent;
}

export interface SubmitLimits {
  readonly maxPayloadBytes: number;
  /** Cluster time; bounds how far ahead `run_at` and `expires_at` may lie. */
  readonly now: number;
}

/** W3C Trace Context. */
export const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
/** A JSON payload of no bytes means null: there is one spelling of "nothing" in what is stored. */
const JSON_NULL: Uint8Array = new TextEncoder().encode("null");

/**
 * Checks a submit whose fields are typed already, as the worker protocol has them, and whose JSON
 * is still text. Throws `TqError`; `prefix` goes before field names.
 */
export function checkSubmit(
  id: TaskId,
  content: TaskContent,
  limits: SubmitLimits,
  prefix = "",
): ParsedSubmit {
  checkId(id, `${prefix}id`);
  checkContent(content, limits, prefix);
  if (content.metadata !== "") checkMetadataText(content.metadata, `${prefix}metadata`);
  if (content.payloadType === "binary") return { id, content };
  if (content.payload.length === 0) return { id, content: { ...content, payload: JSON_NULL } };
  checkJson(content.payload, `${prefix}payload`);
  return { id, content };
}

/** A task id that the submitter chose. */
export function checkId(id: Uint8Array, field: string): void {
  if (!isTaskId(id)) throw invalid(field, "a UUID of version 7 is expected");
}

/** Everything about a content except whether its JSON is well-formed. */
export function checkContent(content: TaskContent, limits: SubmitLimits, prefix: string): void {
  checkName(content.type, `${prefix}type`);
  checkName(content.queue, `${prefix}queue`);
  checkPayloadSize(content, limits.maxPayloadBytes, `${prefix}payload`);
  checkRange(content.delayMs, 0, DURATION_MS_MAX, `${prefix}delay_ms`);
  checkRange(content.timeoutMs, 0, DURATION_MS_MAX, `${prefix}timeout_ms`);
  checkRunAt(content, limits.now, prefix);
  checkRetry(content.retry, prefix);
  if (content.idempotencyKey !== "") {
    checkKey(content.idempotencyKey, IDEMPOTENCY_KEY_BYTES_MAX, `${prefix}idempotency_key`);
  }
  checkExtras(content, limits.now, prefix);
  if (content.tags.length > 0) checkTags(content.tags, `${prefix}tags`);
  if (content.traceparent !== "" && !TRACEPARENT.test(content.traceparent)) {
    const form = "a W3C trace context is expected: 00-<32 hex>-<16 hex>-<2 hex>";
    throw invalid(`${prefix}traceparent`, form);
  }
}

/** Refuses a value that nests deeper than any program should have to follow. */
export function checkNesting(value: unknown, field: string): void {
  if (nestsDeeperThan(value, NESTING_MAX)) throw nestsTooDeep(field);
}

/** Metadata as JSON text: an object's, and short. */
export function checkMetadataSize(text: string, field: string): void {
  if (Buffer.byteLength(text) <= METADATA_BYTES_MAX) return;
  throw invalid(field, `larger than ${METADATA_BYTES_MAX} bytes as JSON`);
}

function nestsTooDeep(field: string): TqError {
  const message = `objects and lists lie more than ${NESTING_MAX} deep inside each other`;
  return invalid(field, message);
}

function checkMetadataText(text: string, field: string): void {
  checkMetadataSize(text, field);
  checkJson(Buffer.from(text), field);
  if (!text.trimStart().startsWith("{")) throw invalid(field, "a JSON object is expected");
}

/** Refuses bytes that are no JSON text. */
export function checkJson(bytes: Uint8Array, field: string): void {
  const offset = scanJson(bytes, NESTING_MAX);
  if (offset === JSON_TOO_DEEP) throw nestsTooDeep(field);
  if (offset !== JSON_VALID) throw invalid(field, `not JSON: mistake at byte ${offset}`);
  if (!isUtf8(bytes)) throw invalid(field, "not UTF-8");
}

/** Of a queue or a type. */
export function checkPayloadSize(content: TaskContent, max: number, field: string): void {
  const size = content.payload.length;
  if (size <= max) return;
  const message = `${field}: ${size} bytes; at most ${max} are allowed (broker.max_payload_bytes)`;
  throw new TqError("too_large", message, { field });
}

export function checkRunAt(content: TaskContent, now: number, prefix: string): void {
  const { runAt, delayMs } = content;
  if (runAt === 0) return;
  if (!Number.isSafeInteger(runAt) || runAt < 0 || runAt > now + DURATION_MS_MAX) {
    throw invalid(`${prefix}run_at`, "more than ten years ahead");
  }
  if (delayMs > 0) throw invalid(`${prefix}run_at`, "either run_at or delay_ms, not both");
}

/** Also of the settings of queues. */
export function checkTags(tags: readonly string[], field: string): void {
  if (tags.length > TAGS_MAX) {
    throw invalid(field, `${tags.length} tags; at most ${TAGS_MAX} are allowed`);
  }
  for (const [index, tag] of tags.entries()) {
    if (tag.length >= 1 && tag.length <= TAG_LENGTH_MAX && isPrintable(tag)) continue;
    const allowed = `1 to ${TAG_LENGTH_MAX} printable characters`;
    throw invalid(`${field}[${index}]`, `${shown(tag)} is not a tag; allowed are ${allowed}`);
  }
}
