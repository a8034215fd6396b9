/**
 * A task on its way to be submitted, in `submit` and among the children of `complete`. What is not
 * said takes no room: bits tell which fields follow, in their order.
 */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { BATCH_MAX, DEFAULT_QUEUE } from "../limits.ts";
import type { SubmitContent, SubmitExtras, SubmitRetry, SubmitTask } from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { TASK_ID_BYTES } from "../task-id.ts";
import {
  BACKOFF_NAMES,
  JITTER_NAMES,
  PARENT_FAILURE_NAMES,
  PAYLOAD_TYPES,
  PRIORITY_NAMES,
  readChoice,
  readNumbers,
  readStrings,
  UNIQUE_CONFLICT_NAMES,
  writeChoice,
  writeCount,
  writeNumbers,
  writeStrings,
} from "./parts.ts";

/** Bits of a task's `fields`: which optional fields follow, in this order. */
const PRIORITY = 1 << 0;
const DELAY = 1 << 1;
const RUN_AT = 1 << 2;
const TIMEOUT = 1 << 3;
const MAX_RETRIES = 1 << 4;
const INITIAL_DELAY = 1 << 5;
const MULTIPLIER = 1 << 6;
const MAX_DELAY = 1 << 7;
const JITTER = 1 << 8;
const IDEMPOTENCY_KEY = 1 << 9;
const TAGS = 1 << 10;
const METADATA = 1 << 11;
const TRACEPARENT = 1 << 12;
/** Since version 2: bits of more fields, and these, stand behind all others. */
const MORE = 1 << 13;
const KNOWN_FIELDS = (1 << 14) - 1;
const RETRY = MAX_RETRIES | INITIAL_DELAY | MULTIPLIER | MAX_DELAY | JITTER;

/** Id, two empty names, payload type, payload length, fields. */
const TASK_BYTES_MIN = TASK_ID_BYTES + 2 + 2 + 1 + 4 + 2;
/** Bits of more fields. */
const EXPIRES_IN = 1 << 0;
const EXPIRES_AT = 1 << 1;
const UNIQUE = 1 << 2;
const GROUP = 1 << 3;
const REQUIRES = 1 << 4;
const DEPENDS_ON = 1 << 5;
const BACKOFF = 1 << 6;
const DELAYS = 1 << 7;
const JITTER_KIND = 1 << 8;
const KNOWN_MORE = (1 << 9) - 1;
const EXTRAS = EXPIRES_IN | EXPIRES_AT | UNIQUE | GROUP | REQUIRES | DEPENDS_ON;

const TAGS_MAX = 255;
const LABELS_MAX = 255;
const PARENTS_MAX = 1_000;
const DELAYS_MAX = 255;

const NO_RETRY: SubmitRetry = {};
const NO_TAGS: readonly string[] = [];

const NO_IDS: readonly Uint8Array[] = [];
/** What a task that says nothing of it has. */
export const NO_SUBMIT_EXTRAS: SubmitExtras = {
  expiresInMs: 0,
  expiresAt: 0,
  unique: undefined,
  group: "",
  requires: NO_TAGS,
  dependsOn: NO_IDS,
  onParentFailure: "fail",
};

/** Whether a peer that speaks version 1 only could not read it. */
export function needsMore({ content }: SubmitTask): boolean {
  return moreOf(content) !== 0;
}

export function writeTasks(writer: ByteWriter, tasks: readonly SubmitTask[]): void {
  writeCount(writer, tasks.length, BATCH_MAX);
  for (const task of tasks) writeTask(writer, task);
}

export function readTasks(reader: ByteReader): SubmitTask[] {
  const count = reader.count(TASK_BYTES_MIN, BATCH_MAX);
  const tasks: SubmitTask[] = [];
  for (let i = 0; i < count; i++) tasks.push(readTask(reader));
  return tasks;
}

function writeTask(writer: ByteWriter, { id, content }: SubmitTask): void {
  if (id.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
  const more = moreOf(content);
  const fields = fieldsOf(content) | (more === 0 ? 0 : MORE);
  writer.raw(id);
  writer.string(content.type);
  writer.string(content.queue === DEFAULT_QUEUE ? "" : content.queue);
  writeChoice(writer, PAYLOAD_TYPES, content.payloadType);
  writer.bytes(content.payload);
  writer.u16(fields);
  if (fields !== 0) writeOptional(writer, content, fields);
  if (more !== 0) writeMore(writer, content, more);
}

function fieldsOf(content: SubmitContent): number {
  let fields = 0;
  if (content.priority !== "normal") fields |= PRIORITY;
  if (content.delayMs !== 0) fields |= DELAY;
  if (content.runAt !== 0) fields |= RUN_AT;
  if (content.timeoutMs !== 0) fields |= TIMEOUT;
  if (content.idempotencyKey !== "") fields |= IDEMPOTENCY_KEY;
  if (content.tags.length > 0) fields |= TAGS;
  if (content.metadata !== "") fields |= METADATA;
  if (content.traceparent !== "") fields |= TRACEPARENT;
  const { retry } = content;
  if (retry.maxRetries !== undefined) fields |= MAX_RETRIES;
  if (retry.initialDelayMs !== undefined) fields |= INITIAL_DELAY;
  if (retry.multiplier !== undefined) fields |= MULTIPLIER;
  if (retry.maxDelayMs !== undefined) fields |= MAX_DELAY;
  if (retry.jitter !== undefined) fields |= JITTER;
  return fields;
}

function writeOptional(writer: ByteWriter, content: SubmitContent, fields: number): void {
  if (fields & PRIORITY) writeChoice(writer, PRIORITY_NAMES, content.priority);
  if (fields & DELAY) writer.u64(content.delayMs);
  if (fields & RUN_AT) writer.u64(content.runAt);
  if (fields & TIMEOUT) writer.u64(content.timeoutMs);
  if (fields & RETRY) writeRetry(writer, content.retry);
  if (fields & IDEMPOTENCY_KEY) writer.string(content.idempotencyKey);
  if (fields & TAGS) writeStrings(writer, content.tags, TAGS_MAX);
  if (fields & METADATA) writer.string(content.metadata);
  if (fields & TRACEPARENT) writer.string(content.traceparent);
}

function writeRetry(writer: ByteWriter, retry: SubmitRetry): void {
  if (retry.maxRetries !== undefined) writer.u32(retry.maxRetries);
  if (retry.initialDelayMs !== undefined) writer.u64(retry.initialDelayMs);
  if (retry.multiplier !== undefined) writer.f64(retry.multiplier);
  if (retry.maxDelayMs !== undefined) writer.u64(retry.maxDelayMs);
  if (retry.jitter !== undefined) writer.f64(retry.jitter);
}

function readTask(reader: ByteReader): SubmitTask {
  const id = reader.raw(TASK_ID_BYTES);
  const type = reader.name();
  const queue = reader.name();
  const payloadType = readChoice(reader, PAYLOAD_TYPES, "payload type");
  const payload = reader.bytes();
  const fields = reader.u16();
  if (fields > KNOWN_FIELDS) throw new ProtocolError("a task has fields of a later version");
  // One literal with the members in one order, so that every content has the same hidden class.
  const content: SubmitContent = {
    type,
    queue: queue === "" ? DEFAULT_QUEUE : queue,
    priority: fields & PRIORITY ? readChoice(reader, PRIORITY_NAMES, "priority") : "normal",
    payload,
    payloadType,
    delayMs: fields & DELAY ? reader.u64() : 0,
    runAt: fields & RUN_AT ? reader.u64() : 0,
    timeoutMs: fields & TIMEOUT ? reader.u64() : 0,
    retry: fields & RETRY ? readRetry(reader, fields) : NO_RETRY,
    idempotencyKey: fields & IDEMPOTENCY_KEY ? reader.string() : "",
    tags: fields & TAGS ? readStrings(reader, TAGS_MAX) : NO_TAGS,
    metadata: fields & METADATA ? reader.string() : "",
    traceparent: fields & TRACEPARENT ? reader.string() : "",
    extras: undefined,
  };
  return { id, content: fields & MORE ? readMore(reader, content) : content };
}

function readRetry(reader: ByteReader, fields: number): SubmitRetry {
  return {
    ...(fields & MAX_RETRIES ? { maxRetries: reader.u32() } : undefined),
    ...(fields & INITIAL_DELAY ? { initialDelayMs: reader.u64() } : undefined),
    ...(fields & MULTIPLIER ? { multiplier: reader.f64() } : undefined),
    ...(fields & MAX_DELAY ? { maxDelayMs: reader.u64() } : undefined),
    ...(fields & JITTER ? { jitter: reader.f64() } : undefined),
  };
}

function moreOf({ extras, retry }: SubmitContent): number {
  let more = 0;
  if (retry.backoff !== undefined) more |= BACKOFF;
  if (retry.delaysMs !== undefined) more |= DELAYS;
  if (retry.jitterKind !== undefined) more |= JITTER_KIND;
  if (extras === undefined) return more;
  if (extras.expiresInMs !== 0) more |= EXPIRES_IN;
  if (extras.expiresAt !== 0) more |= EXPIRES_AT;
  if (extras.unique !== undefined) more |= UNIQUE;
  if (extras.group !== "") more |= GROUP;
  if (extras.requires.length > 0) more |= REQUIRES;
  if (extras.dependsOn.length > 0) more |= DEPENDS_ON;
  return more;
}

function writeMore(writer: ByteWriter, { extras, retry }: SubmitContent, more: number): void {
  writer.u16(more);
  if (extras !== undefined) writeExtras(writer, extras, more);
  if (retry.backoff !== undefined) writeChoice(writer, BACKOFF_NAMES, retry.backoff);
  if (retry.delaysMs !== undefined) writeNumbers(writer, retry.delaysMs, DELAYS_MAX);
  if (retry.jitterKind !== undefined) writeChoice(writer, JITTER_NAMES, retry.jitterKind);
}

function writeExtras(writer: ByteWriter, extras: SubmitExtras, more: number): void {
  const { unique, dependsOn } = extras;
  if (more & EXPIRES_IN) writer.u64(extras.expiresInMs);
  if (more & EXPIRES_AT) writer.u64(extras.expiresAt);
  if (unique !== undefined) {
    writer.string(unique.key);
    writer.u64(unique.forMs);
    writeChoice(writer, UNIQUE_CONFLICT_NAMES, unique.onConflict);
  }
  if (more & GROUP) writer.string(extras.group);
  if (more & REQUIRES) writeStrings(writer, extras.requires, LABELS_MAX);
  if ((more & DEPENDS_ON) === 0) return;
  writeCount(writer, dependsOn.length, PARENTS_MAX);
  for (const parent of dependsOn) {
    if (parent.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
    writer.raw(parent);
  }
  writeChoice(writer, PARENT_FAILURE_NAMES, extras.onParentFailure);
}

function readMore(reader: ByteReader, content: SubmitContent): SubmitContent {
  const more = reader.u16();
  if (more > KNOWN_MORE) throw new ProtocolError("a task has fields of a later version");
  const extras = more & EXTRAS ? readExtras(reader, more) : undefined;
  const retry: SubmitRetry = {
    ...content.retry,
    ...(more & BACKOFF ? { backoff: readChoice(reader, BACKOFF_NAMES, "backoff") } : undefined),
    ...(more & DELAYS ? { delaysMs: readNumbers(reader, DELAYS_MAX) } : undefined),
    ...(more & JITTER_KIND
      ? { jitterKind: readChoice(reader, JITTER_NAMES, "kind of jitter") }
      : undefined),
  };
  return { ...content, retry, extras };
}

function readExtras(reader: ByteReader, more: number): SubmitExtras {
  return {
    expiresInMs: more & EXPIRES_IN ? reader.u64() : 0,
    expiresAt: more & EXPIRES_AT ? reader.u64() : 0,
    unique:
      more & UNIQUE
        ? {
            key: reader.string(),
            forMs: reader.u64(),
            onConflict: readChoice(reader, UNIQUE_CONFLICT_NAMES, "answer to a conflict"),
          }
        : undefined,
    group: more & GROUP ? reader.string() : "",
    requires: more & REQUIRES ? readStrings(reader, LABELS_MAX) : NO_TAGS,
    dependsOn: more & DEPENDS_ON ? readIds(reader) : NO_IDS,
    onParentFailure:
      more & DEPENDS_ON ? readChoice(reader, PARENT_FAILURE_NAMES, "answer to a failure") : "fail",
  };
}

function readIds(reader: ByteReader): Uint8Array[] {
  const count = reader.count(TASK_ID_BYTES, PARENTS_MAX);
  const ids: Uint8Array[] = [];
  for (let i = 0; i < count; i++) ids.push(reader.raw(TASK_ID_BYTES));
  return ids;
}
