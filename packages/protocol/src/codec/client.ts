/** What clients say: submits (binary, many to a frame) and calls (a verb and JSON). */
import type { ByteReader } from "../byte-reader.ts";
import type { ByteWriter } from "../byte-writer.ts";
import { BATCH_MAX, DEFAULT_QUEUE } from "../limits.ts";
import type {
  ItemError,
  SubmitContent,
  SubmitOk,
  SubmitRetry,
  SubmitTask,
  Submitted,
} from "../message.ts";
import { ProtocolError } from "../protocol-error.ts";
import { TASK_ID_BYTES } from "../task-id.ts";
import type { CodecTable } from "./message-codec.ts";
import {
  PAYLOAD_TYPES,
  PRIORITY_NAMES,
  readChoice,
  readResult,
  readStrings,
  TASK_STATE_NAMES,
  writeChoice,
  writeCount,
  writeResult,
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
const KNOWN_FIELDS = (1 << 13) - 1;
const RETRY = MAX_RETRIES | INITIAL_DELAY | MULTIPLIER | MAX_DELAY | JITTER;

/** Id, two empty names, payload type, payload length, fields. */
const TASK_BYTES_MIN = TASK_ID_BYTES + 2 + 2 + 1 + 4 + 2;
/** No smaller result than "accepted": outcome, state, id. */
const RESULT_BYTES_MIN = 7;
const TAGS_MAX = 255;

const NO_RETRY: SubmitRetry = {};
const NO_TAGS: readonly string[] = [];

export const clientCodecs: CodecTable<"submit" | "submitted" | "call" | "answer"> = {
  submit: {
    type: 0x10,
    write: (writer, message) => {
      writeCount(writer, message.tasks.length, BATCH_MAX);
      for (const task of message.tasks) writeTask(writer, task);
    },
    read: (reader) => {
      const count = reader.count(TASK_BYTES_MIN, BATCH_MAX);
      const tasks: SubmitTask[] = [];
      for (let i = 0; i < count; i++) tasks.push(readTask(reader));
      return { kind: "submit", tasks };
    },
  },
  submitted: { type: 0x11, write: writeSubmitted, read: readSubmitted },
  call: {
    type: 0x12,
    write: (writer, message) => {
      writer.string(message.verb);
      writer.u64(message.minIndex);
      writer.bytes(message.body);
    },
    read: (reader) => ({
      kind: "call",
      verb: reader.name(),
      minIndex: reader.u64(),
      body: reader.bytes(),
    }),
  },
  answer: {
    type: 0x13,
    write: (writer, message) => {
      writer.u64(message.index);
      writer.bytes(message.body);
    },
    read: (reader) => ({ kind: "answer", index: reader.u64(), body: reader.bytes() }),
  },
};

function writeTask(writer: ByteWriter, { id, content }: SubmitTask): void {
  if (id.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
  const fields = fieldsOf(content);
  writer.raw(id);
  writer.string(content.type);
  writer.string(content.queue === DEFAULT_QUEUE ? "" : content.queue);
  writeChoice(writer, PAYLOAD_TYPES, content.payloadType);
  writer.bytes(content.payload);
  writer.u16(fields);
  if (fields !== 0) writeOptional(writer, content, fields);
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
  };
  return { id, content };
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

function writeSubmitted(writer: ByteWriter, message: Submitted): void {
  writer.u64(message.index);
  writeCount(writer, message.results.length, BATCH_MAX);
  for (const result of message.results) writeResult(writer, result, writeSubmitOk);
}

function writeSubmitOk(writer: ByteWriter, ok: SubmitOk): void {
  if (ok.id.length !== TASK_ID_BYTES) throw new ProtocolError("a task id has 16 bytes");
  writer.u8(ok.state);
  writer.raw(ok.id);
}

function readSubmitted(reader: ByteReader): Submitted {
  const index = reader.u64();
  const count = reader.count(RESULT_BYTES_MIN, BATCH_MAX);
  const results: (SubmitOk | ItemError)[] = [];
  for (let i = 0; i < count; i++) results.push(readResult(reader, readSubmitOk));
  return { kind: "submitted", index, results };
}

function readSubmitOk(reader: ByteReader, duplicate: boolean): SubmitOk {
  const state = reader.u8();
  if (state >= TASK_STATE_NAMES.length) throw new ProtocolError(`${state} is not a task state`);
  return { ok: true, id: reader.raw(TASK_ID_BYTES), state, duplicate };
}
