/**
 * Keys of the records in the store. The prefix says what is behind a key:
 *
 *   a/<id>         access key
 *   B/<number>     block of the history      b/<id>            job
 *   w/<print>      group of dead tasks       x/error/<print>/<id>  dead of that error
 *   x/tag/<tag>\0<id>  tasks with a tag
 *   c/<id>         content of a task          q/<name>          queue and its counters
 *   d/<id>         parents of a blocked task  o/<id>            the parent that failed it
 *   e/<id><child>  child of a task            u/<queue>\0<k>    unique key
 *   g/<id><n>      log line n                 p/<id>            progress
 *   f/<id>         finished task              s/<session>       session
 *   h/<id><n>      ended attempt n            t/<id>            tombstone of a deleted task
 *   k/<queue>\0<k> idempotency key            x/<state>/<id>    dead, cancelled, expired
 *   l/<id>         live task                  m                 meta
 *   y/<queue>\0<g> turn of a group
 *
 * Live and finished tasks are apart so that a boot scans the live ones only.
 */
import { successor } from "./successor.ts";
import type { TaskId } from "./task.ts";
import type { KeyRange } from "./view.ts";

const SLASH = 0x2f;
const ID_BYTES = 16;
const encoder = new TextEncoder();

/** First byte of a key. */
export const ACCESS_KEY = 0x61;
export const BLOCK = 0x42;
export const JOB = 0x62;
export const CONTENT = 0x63;
export const PARENTS = 0x64;
export const EDGE = 0x65;
export const FINISHED = 0x66;
export const LOG_LINE = 0x67;
export const ATTEMPT = 0x68;
export const IDEMPOTENCY = 0x6b;
export const LIVE = 0x6c;
export const META = 0x6d;
export const CULPRIT = 0x6f;
export const PROGRESS = 0x70;
export const QUEUE = 0x71;
export const SESSION = 0x73;
export const TOMBSTONE = 0x74;
export const ERROR_GROUP = 0x77;
export const UNIQUE = 0x75;
export const INDEX = 0x78;
export const GROUP = 0x79;

export const META_KEY = Uint8Array.of(META);

/** The ranges that a boot reads; finished tasks and contents stay on disk. */
export const BOOT_RANGES: readonly KeyRange[] = [
  { gte: META_KEY, lt: Uint8Array.of(META, 0) },
  prefixRange(QUEUE),
  prefixRange(GROUP),
  prefixRange(SESSION),
  prefixRange(LIVE),
  prefixRange(BLOCK),
  prefixRange(JOB),
  prefixRange(ACCESS_KEY),
  prefixRange(PARENTS),
  prefixRange(CULPRIT),
];

export function taskKey(prefix: number, id: TaskId): Uint8Array {
  const key = new Uint8Array(ID_BYTES + 2);
  key[0] = prefix;
  key[1] = SLASH;
  for (let i = 0; i < ID_BYTES; i++) key[i + 2] = id[i]!;
  return key;
}

/** The id behind a key made by `taskKey` or `attemptKey`. */
export function idOfTaskKey(key: Uint8Array): TaskId {
  return key.subarray(2, 2 + ID_BYTES);
}

/** One key per attempt, so that apply appends without reading what is there. */
export function attemptKey(id: TaskId, number: number): Uint8Array {
  return numberedKey(ATTEMPT, id, number);
}

/** Likewise one key for each line. */
export function logLineKey(id: TaskId, number: number): Uint8Array {
  return numberedKey(LOG_LINE, id, number);
}

function numberedKey(prefix: number, id: TaskId, number: number): Uint8Array {
  const key = new Uint8Array(ID_BYTES + 6);
  key.set(taskKey(prefix, id));
  key[18] = number >>> 24;
  key[19] = number >>> 16;
  key[20] = number >>> 8;
  key[21] = number;
  return key;
}

/** That `child` depends, or depended, on `parent`; there as long as anything of the child is. */
export function edgeKey(parent: TaskId, child: TaskId): Uint8Array {
  const key = new Uint8Array(2 + ID_BYTES * 2);
  key.set(taskKey(EDGE, parent));
  key.set(child, 2 + ID_BYTES);
  return key;
}

/** Edges from a task to its children, in the order of their ids; `idOfIndexKey` reads the child. */
export function childrenRange(parent: TaskId): KeyRange {
  const gte = taskKey(EDGE, parent);
  const lt = new Uint8Array(gte.length + ID_BYTES + 1).fill(0xff);
  lt.set(gte);
  return { gte, lt };
}

export function namedKey(prefix: number, name: string): Uint8Array {
  const room = new Uint8Array(name.length * 3 + 2);
  room[0] = prefix;
  room[1] = SLASH;
  const { written } = encoder.encodeInto(name, room.subarray(2));
  return room.slice(0, written + 2);
}

/** Turn of a group; that of the tasks without a group has an empty name. */
export function groupKey(queue: string, group: string): Uint8Array {
  return namedKey(GROUP, `${queue}\0${group}`);
}

export function idempotencyKey(queue: string, key: string): Uint8Array {
  return namedKey(IDEMPOTENCY, `${queue}\0${key}`);
}

export function uniqueKey(queue: string, key: string): Uint8Array {
  return namedKey(UNIQUE, `${queue}\0${key}`);
}

/** States whose tasks are found by an index. */
export type IndexedState = "dead" | "cancelled" | "expired";

export function indexKey(state: IndexedState, id: TaskId): Uint8Array {
  return idBehind(indexPrefix(`${state}/`), id);
}

/** A task, live or finished, that has this tag. */
export function tagKey(tag: string, id: TaskId): Uint8Array {
  return idBehind(tagPrefix(tag), id);
}

/** A dead task with an error of this fingerprint. */
export function errorKey(fingerprint: string, id: TaskId): Uint8Array {
  return idBehind(errorPrefix(fingerprint), id);
}

export function blockKey(number: number): Uint8Array {
  const key = new Uint8Array(10);
  key[0] = BLOCK;
  key[1] = SLASH;
  for (let at = 9, rest = number; at > 1; at--, rest = Math.floor(rest / 256)) key[at] = rest % 256;
  return key;
}

export function numberOfBlockKey(key: Uint8Array): number {
  let number = 0;
  for (let at = 2; at < 10; at++) number = number * 256 + key[at]!;
  return number;
}

export function errorGroupKey(fingerprint: string): Uint8Array {
  return namedKey(ERROR_GROUP, fingerprint);
}

/** Groups of errors beyond a fingerprint, in their order; undefined = from the first. */
export function errorGroupRange(after: string | undefined): KeyRange {
  const range = prefixRange(ERROR_GROUP);
  return after === undefined ? range : { gte: successor(errorGroupKey(after)), lt: range.lt };
}

/** Finished records after `after` in id order; undefined = from the first. */
export function finishedRecordRange(after: TaskId | undefined): KeyRange {
  const range = prefixRange(FINISHED);
  return after === undefined ? range : { gte: successor(taskKey(FINISHED, after)), lt: range.lt };
}

export function indexRange(state: IndexedState, after: TaskId | undefined): KeyRange {
  return idsBehind(indexPrefix(`${state}/`), after);
}

export function tagRange(tag: string, after: TaskId | undefined): KeyRange {
  return idsBehind(tagPrefix(tag), after);
}

export function errorRange(fingerprint: string, after: TaskId | undefined): KeyRange {
  return idsBehind(errorPrefix(fingerprint), after);
}

/** The id at the end of an index key. */
export function idOfIndexKey(key: Uint8Array): TaskId {
  return key.subarray(key.length - ID_BYTES);
}

/** Key bytes as a string of the same order, for maps. */
export function keyText(key: Uint8Array): string {
  if (key.length === ID_BYTES + 2) return taskKeyText(key);
  // Put together piece by piece it would take three times as long, and `...key` is no faster.
  return String.fromCharCode.apply(null, key as unknown as number[]);
}

/**
 * One call with eighteen arguments: twice as fast as two calls, and nearly all keys have this
 * length.
 */
// biome-ignore format: one line for each half of the key
function taskKeyText(k: Uint8Array): string {
  return String.fromCharCode(
    k[0]!, k[1]!, k[2]!, k[3]!, k[4]!, k[5]!, k[6]!, k[7]!, k[8]!,
    k[9]!, k[10]!, k[11]!, k[12]!, k[13]!, k[14]!, k[15]!, k[16]!, k[17]!,
  );
}

function prefixRange(prefix: number): KeyRange {
  return { gte: Uint8Array.of(prefix, SLASH), lt: Uint8Array.of(prefix, SLASH + 1) };
}

function indexPrefix(name: string): Uint8Array {
  return namedKey(INDEX, name);
}

function tagPrefix(tag: string): Uint8Array {
  return indexPrefix(`tag/${tag}\0`);
}

function errorPrefix(fingerprint: string): Uint8Array {
  return indexPrefix(`error/${fingerprint}/`);
}

function idBehind(prefix: Uint8Array, id: TaskId): Uint8Array {
  const key = new Uint8Array(prefix.length + ID_BYTES);
  key.set(prefix);
  key.set(id, prefix.length);
  return key;
}

/** Keys made by `idBehind`, of ids after `after`. */
function idsBehind(prefix: Uint8Array, after: TaskId | undefined): KeyRange {
  const lt = prefix.slice();
  lt[lt.length - 1]! += 1;
  const gte = after === undefined ? prefix : successor(idBehind(prefix, after));
  return { gte, lt };
}
