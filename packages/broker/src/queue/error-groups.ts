/**
 * Dead tasks by what killed them. Two errors of a type are alike when their messages are equal but
 * for numbers, ids and quoted text; each such group has a record that counts its dead tasks. The
 * record goes with the last of them.
 */
import { assert } from "./assert.ts";
import { decodeErrorGroup, encodeErrorGroup } from "./codec/history-records.ts";
import { fingerprint } from "./fingerprint.ts";
import { errorGroupKey } from "./keys.ts";
import { ERROR_SAMPLE_BYTES_MAX } from "./limits.ts";
import type { QueueState } from "./state.ts";
import type { ClusterTime } from "./task.ts";
import { truncateText } from "./truncate.ts";
import type { ErrorGroup } from "./view.ts";

/** What is looked at of a message's first line, and what of that counts. */
const LINE_MAX = 1000;
const TEXT_MAX = 200;

/** In this order. An apostrophe inside a word does not begin a quotation. */
const PARTICULARS: readonly RegExp[] = [
  /"[^"]*"|`[^`]*`|(?<![0-9A-Za-z])'[^']*'/g,
  /(?<![0-9A-Za-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9A-Za-z])/gi,
  /(?<![0-9A-Za-z])(?:0x[0-9a-f]+|[0-9a-f]{8,}|(?=[a-f]*[0-9])[0-9a-f]{4,})(?![0-9A-Za-z])/gi,
  /[0-9]+/g,
  /#(?:[.,:]#)+/g,
];

/** 16 hexadecimal digits: equal for errors that are alike. */
export function errorFingerprint(type: string, message: string): string {
  const { high, low } = fingerprint(utf16(`${type}\n${withoutParticulars(message)}`));
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The first line of a message, with a `#` for each thing that may differ from task to task. */
export function withoutParticulars(message: string): string {
  const end = message.search(/[\r\n]/);
  let line = message.slice(0, Math.min(end < 0 ? message.length : end, LINE_MAX));
  // Half a character at an end would be another one once it has been written and read.
  line = line.replace(/[\ud800-\udfff]/gu, "\ufffd");
  for (const particular of PARTICULARS) line = line.replace(particular, "#");
  return line.slice(0, TEXT_MAX);
}

/** One more task is dead of this. */
export function enterErrorGroup(s: QueueState, print: string, type: string, message: string): void {
  const known = errorGroup(s, print);
  const group = known ?? newGroup(s.clock, print, type, message);
  putGroup(s, { ...group, count: group.count + 1, lastAt: s.clock });
}

/** One of them is started again or removed. */
export function leaveErrorGroup(s: QueueState, print: string): void {
  const group = errorGroup(s, print);
  assert(group !== undefined, "a group of errors is missing from the store");
  if (group.count > 1) putGroup(s, { ...group, count: group.count - 1 });
  else s.overlay.delete(errorGroupKey(print));
}

export function errorGroup(s: QueueState, print: string): ErrorGroup | undefined {
  const bytes = s.overlay.get(errorGroupKey(print));
  return bytes === undefined ? undefined : decodeErrorGroup(bytes);
}

function newGroup(at: ClusterTime, print: string, type: string, message: string): ErrorGroup {
  const sample = truncateText(message, ERROR_SAMPLE_BYTES_MAX);
  return { fingerprint: print, type, message: sample, count: 0, firstAt: at, lastAt: at };
}

function putGroup(s: QueueState, group: ErrorGroup): void {
  s.overlay.put(errorGroupKey(group.fingerprint), encodeErrorGroup(group));
}

function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes[at * 2] = unit >>> 8;
    bytes[at * 2 + 1] = unit;
  }
  return bytes;
}
