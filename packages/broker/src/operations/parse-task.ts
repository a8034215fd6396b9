/**
 * A submit as JSON, in the shape of a task. Every field is known by name; what a broker fills in
 * itself is ignored, so that an exported task can be posted back. Such a copy is a new task: its
 * `id` and `idempotency_key` belong to the original and are ignored as well.
 */
import { parseTaskId } from "task-queue-protocol";
import { PRIORITIES, type TaskContent, type TaskId } from "../queue/index.ts";
import {
  checkContent,
  checkJson,
  checkMetadataSize,
  checkNesting,
  type ParsedSubmit,
  type SubmitLimits,
  TRACEPARENT,
} from "./check-submit.ts";
import { ExactJson } from "./exact-json.ts";
import { mintId } from "./ids.ts";
import { invalid, shown, unknownField } from "./invalid.ts";
import { EXTRA_FIELDS, readExtras } from "./parse-extras.ts";
import { Fields } from "./read-fields.ts";
import { readRetry } from "./retry-policy.ts";

export const SUBMIT_FIELDS = [
  "id",
  "type",
  "queue",
  "payload",
  "data",
  "payload_base64",
  "priority",
  "delay_ms",
  "run_at",
  "timeout_ms",
  "max_retries",
  "retry",
  "idempotency_key",
  "tags",
  "metadata",
  "traceparent",
  ...EXTRA_FIELDS,
] as const;

/** Fields that only a broker sets; their presence marks an exported task. */
export const READ_ONLY_FIELDS = [
  "state",
  "attempt",
  "attempts",
  "result",
  "result_base64",
  "error",
  "progress",
  "log_lines",
  "lease",
  "due_at",
  "waits_for",
  "original_queue",
  "created_at",
  "updated_at",
  "started_at",
  "finished_at",
  "failed_at",
  "last_error",
  "schedule",
] as const;

const SUBMIT: ReadonlySet<string> = new Set(SUBMIT_FIELDS);
const READ_ONLY: ReadonlySet<string> = new Set(READ_ONLY_FIELDS);
const BASE64_PADDING = /={1,2}$/;
const NOT_BASE64 = /[^A-Za-z0-9+/]/;
const NOTHING: TaskPayload = { payload: Buffer.from("null"), payloadType: "json" };

export interface SubmitContext extends SubmitLimits {
  /** Goes before field names in messages: `tasks[3].`. */
  readonly prefix?: string;
  /** From the `Idempotency-Key` header of the request that carries the task. */
  readonly idempotencyKey?: string | undefined;
  /** From the request's `traceparent` header; one that makes no sense is ignored. */
  readonly traceparent?: string | undefined;
}

type TaskPayload = Pick<TaskContent, "payload" | "payloadType">;

/** A payload in `payload` as the bytes it came in, for doors that carry it so. */
export class PayloadBytes implements TaskPayload {
  readonly payload: Uint8Array;
  readonly payloadType: TaskPayload["payloadType"];

  constructor(payload: Uint8Array, payloadType: TaskPayload["payloadType"]) {
    this.payload = payload;
    this.payloadType = payloadType;
  }
}

export interface SubmitOfJson extends ParsedSubmit {
  /** The caller gave no id: this node has just made it. */
  readonly minted: boolean;
}

/** Throws `TqError` (`invalid_request`, `unknown_field`, `too_large`) naming the field. */
export function parseSubmit(input: unknown, context: SubmitContext): SubmitOfJson {
  const prefix = context.prefix ?? "";
  const what = prefix === "" ? "body" : prefix.slice(0, -1);
  const fields = Fields.of(input, what, prefix);
  const exported = isExported(fields);
  const { payload, payloadType } = readPayload(fields);
  const extras = readExtras(fields, exported, context.now);
  // One literal, with the members in the order of those that the log holds; see `decodeContent`.
  const content: TaskContent = {
    type: readType(fields),
    // A copy of a task from a dead letter queue goes to where the original was submitted.
    queue: fields.string("original_queue") ?? fields.string("queue") ?? "default",
    priority: fields.oneOf("priority", PRIORITIES) ?? "normal",
    payload,
    payloadType,
    delayMs: fields.integer("delay_ms") ?? 0,
    runAt: readRunAt(fields),
    timeoutMs: fields.integer("timeout_ms") ?? 0,
    retry: readWish(fields),
    idempotencyKey: readKey(fields, exported, context.idempotencyKey),
    tags: fields.strings("tags") ?? [],
    metadata: readMetadata(fields),
    traceparent: fields.string("traceparent") ?? traceOf(fields, context),
    expiresInMs: extras.expiresInMs,
    expiresAt: extras.expiresAt,
    unique: extras.unique,
    group: extras.group,
    requires: extras.requires,
    dependsOn: extras.dependsOn,
    onParentFailure: extras.onParentFailure,
  };
  checkContent(content, context, prefix);
  const given = readId(fields);
  const minted = given === undefined || exported;
  return { id: minted ? mintId(context.now) : given, content, minted };
}

/** Refuses what is no field of a task; true: it is a task as a broker shows one. */
function isExported(fields: Fields): boolean {
  let exported = false;
  for (const name of fields.names()) {
    if (SUBMIT.has(name)) continue;
    if (!READ_ONLY.has(name)) throw unknownField(fields.path(name), name, SUBMIT_FIELDS);
    exported ||= fields.raw(name) !== undefined;
  }
  return exported;
}

function readType(fields: Fields): string {
  const type = fields.string("type");
  if (type === undefined) throw invalid(fields.path("type"), "a task needs a type");
  return type;
}

function readId(fields: Fields): TaskId | undefined {
  const text = fields.string("id");
  if (text === undefined) return undefined;
  const id = parseTaskId(text);
  if (id === undefined) {
    throw invalid(fields.path("id"), `${shown(text)} is not a UUID of version 7`);
  }
  return id;
}

function readPayload(fields: Fields): TaskPayload {
  const given = ["payload", "data", "payload_base64"].filter((name) => fields.has(name));
  const name = given[0];
  if (name === undefined) return NOTHING;
  if (given.length > 1) {
    throw invalid(fields.path(given[1]!), `either ${given.join(" or ")}, not both`);
  }
  if (name === "payload_base64") return readBinary(fields, name);
  const sent = fields.get(name);
  if (sent instanceof PayloadBytes) return checkedBytes(sent, fields.path(name));
  const value = sent instanceof ExactJson ? sent.value : sent;
  checkNesting(value, fields.path(name));
  const text = sent instanceof ExactJson ? sent.text : JSON.stringify(value);
  return { payload: Buffer.from(text), payloadType: "json" };
}

/** JSON of no bytes means null, as in the worker protocol. */
function checkedBytes({ payload, payloadType }: PayloadBytes, field: string): TaskPayload {
  if (payloadType === "json" && payload.length === 0) return NOTHING;
  if (payloadType === "json") checkJson(payload, field);
  return { payload, payloadType };
}

function readBinary(fields: Fields, name: string): TaskPayload {
  const text = fields.string(name)!;
  if (text.length % 4 !== 0 || NOT_BASE64.test(text.replace(BASE64_PADDING, ""))) {
    throw invalid(fields.path(name), "not base64 (RFC 4648 section 4, with padding)");
  }
  return { payload: Buffer.from(text, "base64"), payloadType: "binary" };
}

/**
 * 0 stands for "none", so an instant at or before 1970 becomes the first after it: past is past.
 */
function readRunAt(fields: Fields): number {
  const time = fields.dateTime("run_at");
  return time === undefined ? 0 : Math.max(1, time);
}

function readWish(fields: Fields): TaskContent["retry"] {
  const maxRetries = fields.integer("max_retries");
  const retry = readRetry(fields.object("retry"));
  return maxRetries === undefined ? retry : { maxRetries, ...retry };
}

function readKey(fields: Fields, exported: boolean, header: string | undefined): string {
  const name = "idempotency_key";
  const key = exported ? undefined : fields.string(name);
  if (key === "") throw invalid(fields.path(name), "an empty key is none; leave it out");
  if (key !== undefined && header !== undefined && key !== header) {
    throw invalid(fields.path(name), "the field and the header Idempotency-Key differ");
  }
  return key ?? header ?? "";
}

/**
 * A request sent again has a trace of its own, and a task that can be recognised as the same must
 * have the same content: such a one gets none by the header.
 */
function traceOf(fields: Fields, { idempotencyKey, traceparent = "" }: SubmitContext): string {
  const isRepeatable =
    idempotencyKey !== undefined || fields.has("id") || fields.has("idempotency_key");
  return !isRepeatable && TRACEPARENT.test(traceparent) ? traceparent : "";
}

function readMetadata(fields: Fields): string {
  const metadata = fields.object("metadata");
  if (metadata === undefined) return "";
  const value = fields.get("metadata");
  checkNesting(value, fields.path("metadata"));
  const text = JSON.stringify(value);
  checkMetadataSize(text, fields.path("metadata"));
  return text === "{}" ? "" : text;
}
