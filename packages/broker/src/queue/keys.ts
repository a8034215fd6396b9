/**
 * Keys of the records in the store. The prefix says what is behind a key:
 *
 *   c/<id>         content of a task          q/<name>          queue and its counters
 *   f/<id>         finished task              s/<session>       session
 *   h/<id><n>      ended attempt n            t/<id>            tombstone of a deleted task
 *   k/<queue>\0<k> idempotency key            x/<state>/<id>    index of dead and cancelled tasks
 *   l/<id>         live task                  m                 meta
 *
 * Live and finished tasks are apart so that a boot scans the live ones only.
 */
import { successor } from "./successor.ts";
import type { TaskId } from "./task.ts";
import type { KeyRange } from "./view.ts";

const SLASH = 0x2f;
const ID_BYTES = 16;
const encoder = new TextEncoder();

/** First byte of a task's key. */
export const CONTENT = 0x63;
export const FINISHED = 0x66;
export const ATTEMPT = 0x68;
export const IDEMPOTENCY = 0x6b;
export const LIVE = 0x6c;
export const META = 0x6d;
export const QUEUE = 0x71;
export const SESSION = 0x73;
export const TOMBSTONE = 0x74;
export const INDEX = 0x78;

export const META_KEY = Uint8Array.of(META);

/** The ranges that a boot reads; finished tasks and contents stay on disk. */
export const BOOT_RANGES: readonly KeyRange[] = [
  { gte: META_KEY, lt: Uint8Array.of(META, 0) },
  prefixRange(QUEUE),
  prefixRange(SESSION),
  prefixRange(LIVE),
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
  const key = new Uint8Array(ID_BYTES + 6);
  key.set(taskKey(ATTEMPT, id));
  key[18] = number >>> 24;
  key[19] = number >>> 16;
  key[20] = number >>> 8;
  key[21] = number;
  return key;
}

export function namedKey(prefix: number, name: string): Uint8Array {
  const room = new Uint8Array(name.length * 3 + 2);
  room[0] = prefix;
  room[1] = SLASH;
  const { written } = encoder.encodeInto(name, room.subarray(2));
  return room.slice(0, written + 2);
}

export function idempotencyKey(queue: string, key: string): Uint8Array {
  return namedKey(IDEMPOTENCY, `${queue}\0${key}`);
}

export function indexKey(state: "dead" | "cancelled", id: TaskId): Uint8Array {
  const prefix = indexPrefix(state);
  const key = new Uint8Array(prefix.length + ID_BYTES);
  key.set(prefix);
  key.set(id, prefix.length);
  return key;
}

/** Finished records after `after` in id order; undefined = from the first. */
export function finishedRecordRange(after: TaskId | undefined): KeyRange {
  const range = prefixRange(FINISHED);
  return after === undefined ? range : { gte: successor(taskKey(FINISHED, after)), lt: range.lt };
}

export function indexRange(state: "dead" | "cancelled", after: TaskId | undefined): KeyRange {
  const gte = indexPrefix(state);
  const lt = gte.slice();
  lt[lt.length - 1] = SLASH + 1;
  return after === undefined ? { gte, lt } : { gte: successor(indexKey(state, after)), lt };
}

/** The id at the end of an index key. */
export function idOfIndexKey(key: Uint8Array): TaskId {
  return key.subarray(key.length - ID_BYTES);
}

/** Key bytes as a string of the same order, for maps. */
export function keyText(key: Uint8Array): string {
  if (key.length === ID_BYTES + 2) return taskKeyText(key);
  let text = "";
  for (let i = 0; i < key.length; i++) text += String.fromCharCode(key[i]!);
  return text;
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

function indexPrefix(state: "dead" | "cancelled"): Uint8Array {
  return namedKey(INDEX, `${state}/`);
}
