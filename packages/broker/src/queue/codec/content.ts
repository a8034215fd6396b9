/**
 * A task's content as bytes: what is stored, and what is compared when a submit comes twice. The
 * encoding is canonical, so equal bytes mean equal content.
 */
import type {
  ContentType,
  ParentFailure,
  Priority,
  TaskContent,
  TaskId,
  Unique,
  UniqueConflict,
} from "../task.ts";
import { PARENT_FAILURES, PRIORITIES, UNIQUE_CONFLICTS } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { isPlainWish, readWish, writeWish } from "./policy.ts";
import { Reader } from "./reader.ts";
import { sharedWriter, type Writer } from "./writer.ts";

/** All that a program before version 3 knows. */
const PLAIN_CONTENT = 1;
/** With what came later; only where there is some of it, so that equal content has equal bytes. */
const FULL_CONTENT = 2;
const ID_BYTES = 16;
const CONTENT_TYPES: readonly ContentType[] = ["json", "binary"];
const NO_TEXTS: readonly string[] = [];
const NO_IDS: readonly TaskId[] = [];
type Extras = Pick<
  TaskContent,
  "expiresInMs" | "expiresAt" | "unique" | "group" | "requires" | "dependsOn" | "onParentFailure"
>;

/** What a plain content says nothing of. */
export const NO_EXTRAS = {
  expiresInMs: 0,
  expiresAt: 0,
  unique: undefined,
  group: "",
  requires: NO_TEXTS,
  dependsOn: NO_IDS,
  onParentFailure: "fail",
} as const;

/** Bits: which parts follow in a full content. */
const EXPIRES_IN = 1;
const EXPIRES_AT = 2;
const UNIQUE = 4;
const GROUP = 8;
const REQUIRES = 16;
const DEPENDS_ON = 32;
const PARTS = 64;

export function encodeContent(content: TaskContent): Uint8Array {
  const out = sharedWriter;
  const isPlain = isPlainContent(content);
  out.begin();
  out.byte(isPlain ? PLAIN_CONTENT : FULL_CONTENT);
  out.text(content.type);
  out.text(content.queue);
  out.byte(PRIORITIES.indexOf(content.priority));
  out.byte(CONTENT_TYPES.indexOf(content.payloadType));
  out.uint(content.delayMs);
  out.uint(content.runAt);
  out.uint(content.timeoutMs);
  writeWish(out, content.retry, isPlain ? 1 : 2);
  out.text(content.idempotencyKey);
  out.texts(content.tags);
  out.text(content.metadata);
  out.text(content.traceparent);
  out.bytes(content.payload);
  if (!isPlain) writeParts(out, content);
  return out.finish();
}

/** A program before version 3 can read its bytes. */
export function isPlainContent(content: TaskContent): boolean {
  return partsOf(content) === 0 && isPlainWish(content.retry);
}

/** @throws CodecError */
export function decodeContent(bytes: Uint8Array): TaskContent {
  const from = new Reader(bytes);
  const isPlain = bytes[0] !== FULL_CONTENT;
  readFormat(from, isPlain ? PLAIN_CONTENT : FULL_CONTENT);
  const type = from.text();
  const queue = from.text();
  const priority = PRIORITIES[from.choice(PRIORITIES.length)] as Priority;
  const payloadType = CONTENT_TYPES[from.choice(CONTENT_TYPES.length)] as ContentType;
  const delayMs = from.uint();
  const runAt = from.uint();
  const timeoutMs = from.uint();
  const retry = readWish(from, isPlain ? 1 : 2);
  const idempotencyKey = from.text();
  const tags = from.texts();
  const metadata = from.text();
  const traceparent = from.text();
  const payload = from.bytes();
  const extras: Extras = isPlain ? NO_EXTRAS : readParts(from);
  from.end();
  // One literal: two objects spread into a third cost as much as all of the decoding, twice over.
  const content: TaskContent = {
    type,
    queue,
    priority,
    payload,
    payloadType,
    delayMs,
    runAt,
    timeoutMs,
    retry,
    idempotencyKey,
    tags,
    metadata,
    traceparent,
    expiresInMs: extras.expiresInMs,
    expiresAt: extras.expiresAt,
    unique: extras.unique,
    group: extras.group,
    requires: extras.requires,
    dependsOn: extras.dependsOn,
    onParentFailure: extras.onParentFailure,
  };
  if (!isPlain && isPlainContent(content)) throw new CodecError("a plain content in the full form");
  return content;
}

function partsOf(content: TaskContent): number {
  let parts = 0;
  if (content.expiresInMs > 0) parts |= EXPIRES_IN;
  if (content.expiresAt > 0) parts |= EXPIRES_AT;
  if (content.unique !== undefined) parts |= UNIQUE;
  if (content.group !== "") parts |= GROUP;
  if (content.requires.length > 0) parts |= REQUIRES;
  if (content.dependsOn.length > 0) parts |= DEPENDS_ON;
  return parts;
}

function writeParts(out: Writer, content: TaskContent): void {
  const { unique } = content;
  const parts = partsOf(content);
  out.byte(parts);
  if (parts & EXPIRES_IN) out.uint(content.expiresInMs);
  if (parts & EXPIRES_AT) out.uint(content.expiresAt);
  if (unique !== undefined) {
    out.text(unique.key);
    out.uint(unique.forMs);
    out.byte(UNIQUE_CONFLICTS.indexOf(unique.onConflict));
  }
  if (parts & GROUP) out.text(content.group);
  if (parts & REQUIRES) out.texts(content.requires);
  if ((parts & DEPENDS_ON) === 0) return;
  out.uint(content.dependsOn.length);
  for (const parent of content.dependsOn) out.raw(parent);
  out.byte(PARENT_FAILURES.indexOf(content.onParentFailure));
}

function readParts(from: Reader): Extras {
  const parts = from.choice(PARTS);
  return {
    expiresInMs: parts & EXPIRES_IN ? from.uint() : 0,
    expiresAt: parts & EXPIRES_AT ? from.uint() : 0,
    unique: parts & UNIQUE ? readUnique(from) : undefined,
    group: parts & GROUP ? from.text() : "",
    requires: parts & REQUIRES ? from.texts() : NO_TEXTS,
    ...(parts & DEPENDS_ON ? readParents(from) : { dependsOn: NO_IDS, onParentFailure: "fail" }),
  };
}

function readUnique(from: Reader): Unique {
  const key = from.text();
  const forMs = from.uint();
  const onConflict = UNIQUE_CONFLICTS[from.choice(UNIQUE_CONFLICTS.length)] as UniqueConflict;
  return { key, forMs, onConflict };
}

function readParents(from: Reader): Pick<TaskContent, "dependsOn" | "onParentFailure"> {
  const dependsOn: TaskId[] = [];
  for (let left = from.count(); left > 0; left--) dependsOn.push(from.raw(ID_BYTES).slice());
  const onParentFailure = PARENT_FAILURES[from.choice(PARENT_FAILURES.length)] as ParentFailure;
  return { dependsOn, onParentFailure };
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
