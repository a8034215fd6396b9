/**
 * A task's content as bytes: what is stored, and what is compared when a submit comes twice. The
 * encoding is canonical, so equal bytes mean equal content.
 */
import type { ContentType, Priority, RetryPolicy, TaskContent } from "../task.ts";
import { PRIORITIES } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { Reader } from "./reader.ts";
import { sharedWriter, type Writer } from "./writer.ts";

export const CONTENT_FORMAT = 1;
const CONTENT_TYPES: readonly ContentType[] = ["json", "binary"];
const NO_TAGS: readonly string[] = Object.freeze([]);
const NO_RETRY: Partial<RetryPolicy> = Object.freeze({});

/** Bits of what a submitter may say of the retry policy. */
const MAX_RETRIES = 1;
const INITIAL_DELAY = 2;
const MULTIPLIER = 4;
const MAX_DELAY = 8;
const JITTER = 16;

export function encodeContent(content: TaskContent): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(CONTENT_FORMAT);
  out.text(content.type);
  out.text(content.queue);
  out.byte(PRIORITIES.indexOf(content.priority));
  out.byte(CONTENT_TYPES.indexOf(content.payloadType));
  out.uint(content.delayMs);
  out.uint(content.runAt);
  out.uint(content.timeoutMs);
  writePartialRetry(out, content.retry);
  out.text(content.idempotencyKey);
  out.texts(content.tags);
  out.text(content.metadata);
  out.text(content.traceparent);
  out.bytes(content.payload);
  return out.finish();
}

/** @throws CodecError */
export function decodeContent(bytes: Uint8Array): TaskContent {
  const from = new Reader(bytes);
  readFormat(from, CONTENT_FORMAT);
  const content = {
    type: from.text(),
    queue: from.text(),
    priority: PRIORITIES[from.choice(PRIORITIES.length)] as Priority,
    payloadType: CONTENT_TYPES[from.choice(CONTENT_TYPES.length)] as ContentType,
    delayMs: from.uint(),
    runAt: from.uint(),
    timeoutMs: from.uint(),
    retry: readPartialRetry(from),
    idempotencyKey: from.text(),
    tags: readTags(from),
    metadata: from.text(),
    traceparent: from.text(),
    payload: from.bytes(),
  };
  from.end();
  return content;
}

/** The first byte of each record says how to read the rest. */
export function readFormat(from: Reader, known: number): void {
  const format = from.byte();
  if (format !== known) throw new CodecError(`unknown format ${format}`);
}

export function writeContentType(out: Writer, type: ContentType): void {
  out.byte(CONTENT_TYPES.indexOf(type));
}

export function readContentType(from: Reader): ContentType {
  return CONTENT_TYPES[from.choice(CONTENT_TYPES.length)] as ContentType;
}

export function writePolicy(out: Writer, policy: RetryPolicy): void {
  out.uint(policy.maxRetries);
  out.uint(policy.initialDelayMs);
  out.ratio(policy.multiplier);
  out.uint(policy.maxDelayMs);
  out.ratio(policy.jitter);
}

export function readPolicy(from: Reader): RetryPolicy {
  return {
    maxRetries: from.uint(),
    initialDelayMs: from.uint(),
    multiplier: from.ratio(),
    maxDelayMs: from.uint(),
    jitter: from.ratio(),
  };
}

function readTags(from: Reader): readonly string[] {
  const tags = from.texts();
  return tags.length === 0 ? NO_TAGS : tags;
}

function writePartialRetry(out: Writer, retry: Partial<RetryPolicy>): void {
  const { maxRetries, initialDelayMs, multiplier, maxDelayMs, jitter } = retry;
  let given = 0;
  if (maxRetries !== undefined) given |= MAX_RETRIES;
  if (initialDelayMs !== undefined) given |= INITIAL_DELAY;
  if (multiplier !== undefined) given |= MULTIPLIER;
  if (maxDelayMs !== undefined) given |= MAX_DELAY;
  if (jitter !== undefined) given |= JITTER;
  out.byte(given);
  if (maxRetries !== undefined) out.uint(maxRetries);
  if (initialDelayMs !== undefined) out.uint(initialDelayMs);
  if (multiplier !== undefined) out.ratio(multiplier);
  if (maxDelayMs !== undefined) out.uint(maxDelayMs);
  if (jitter !== undefined) out.ratio(jitter);
}

function readPartialRetry(from: Reader): Partial<RetryPolicy> {
  const given = from.choice(32);
  if (given === 0) return NO_RETRY;
  return {
    ...(given & MAX_RETRIES ? { maxRetries: from.uint() } : {}),
    ...(given & INITIAL_DELAY ? { initialDelayMs: from.uint() } : {}),
    ...(given & MULTIPLIER ? { multiplier: from.ratio() } : {}),
    ...(given & MAX_DELAY ? { maxDelayMs: from.uint() } : {}),
    ...(given & JITTER ? { jitter: from.ratio() } : {}),
  };
}
