/**
 * The record of a finished task. A task that came and went between two flushes has its content
 * inside: one key in all. Otherwise the content stays under its own key, and type, queue and
 * priority stand here for those who scan the history.
 */
import type { Lane } from "../lane.ts";
import { HAS_PROGRESS, type LiveTable } from "../live-table.ts";
import { CANCELLED, COMPLETED, DEAD, EXPIRED } from "../state-number.ts";
import type { ContentType, RetryPolicy, TaskError } from "../task.ts";
import { ATTEMPT_OUTCOMES, PRIORITIES } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { readContentType, readFormat, writeContentType } from "./content.ts";
import { readPolicy, writePolicy } from "./policy.ts";
import { Reader } from "./reader.ts";
import { sharedWriter, type Writer } from "./writer.ts";

/** What a program before version 3 knows. */
export const PLAIN_FINISHED = 1;
export const FULL_FINISHED = 2;
const FINISHED_STATES: readonly number[] = [COMPLETED, DEAD, CANCELLED, EXPIRED];

/** Bits: which parts follow. */
export const HAS_CONTENT = 1;
export const HAS_FINAL = 2;
export const HAS_ERROR = 4;
export const HAS_RESULT = 8;
export const HAS_REQUEST = 16;
const PLAIN_PARTS = 32;
const HAS_PROGRESS_RECORD = 32;
/** The content is inside, and says another queue than the one it ended in. */
export const HAS_OTHER_QUEUE = 64;
const FULL_PARTS = 128;

/** Who ran the attempt that finished the task. */
export interface FinalRun {
  readonly session: string;
  readonly worker: string;
}

export interface TaskResult {
  readonly bytes: Uint8Array;
  readonly type: ContentType;
}

/** How a task finished; the rest of its record comes from its slot. */
export interface Ending {
  readonly state: number;
  readonly at: number;
  /** undefined = no attempt was running. */
  readonly final: FinalRun | undefined;
  readonly error: TaskError | undefined;
  readonly result: TaskResult | undefined;
}

export interface FinishedRecord extends Ending {
  readonly createdAt: number;
  readonly startedAt: number;
  readonly attempt: number;
  readonly failures: number;
  readonly policy: RetryPolicy;
  readonly endedToken: number;
  readonly endedOutcome: number;
  readonly requestHigh: number;
  readonly requestLow: number;
  /** undefined = under its own key; then type, queue and priority are here. */
  readonly content: Uint8Array | undefined;
  readonly type: string;
  readonly queue: string;
  readonly priority: number;
  /** Since version 3: place in the order of submits; undefined = from before. */
  readonly order: number | undefined;
  /** Bytes of the content, wherever it is. */
  readonly contentBytes: number;
  readonly logLines: number;
  readonly hasProgress: boolean;
}

/** `version` is that of the cluster. */
export function encodeFinished(
  table: LiveTable,
  slot: number,
  lane: Lane,
  ending: Ending,
  content: Uint8Array | undefined,
  version: number,
): Uint8Array {
  const { final, error, result } = ending;
  const requestHigh = table.requestHigh[slot]!;
  const requestLow = table.requestLow[slot]!;
  const out = sharedWriter;
  out.begin();
  out.byte(version < 3 ? PLAIN_FINISHED : FULL_FINISHED);
  out.byte(ending.state);
  let parts = 0;
  if (content !== undefined) parts |= HAS_CONTENT;
  if (final !== undefined) parts |= HAS_FINAL;
  if (error !== undefined) parts |= HAS_ERROR;
  if (result !== undefined) parts |= HAS_RESULT;
  if (requestHigh !== 0 || requestLow !== 0) parts |= HAS_REQUEST;
  if (version >= 3) parts |= fullPartsOf(table, slot, lane, content);
  out.byte(parts);
  out.uint(table.createdAt[slot]!);
  out.uint(table.startedAt[slot]!);
  out.uint(ending.at);
  out.uint(table.attempt[slot]!);
  out.uint(table.failures[slot]!);
  writePolicy(out, table.policy(slot), version < 3 ? 1 : 2);
  out.uint(table.endedToken[slot]!);
  out.byte(table.endedOutcome[slot]!);
  if ((parts & HAS_REQUEST) !== 0) {
    out.word(requestHigh);
    out.word(requestLow);
  }
  if (version >= 3) {
    out.uint(table.order[slot]!);
    out.uint(table.contentBytes[slot]!);
    out.uint(table.logLines[slot]!);
  }
  writeEnding(out, ending);
  if (parts & HAS_OTHER_QUEUE) out.text(lane.queue.name);
  if (content === undefined) {
    out.text(lane.type);
    out.text(lane.queue.name);
    out.byte(table.priority[slot]!);
  } else {
    out.bytes(content);
  }
  return out.finish();
}

function fullPartsOf(
  table: LiveTable,
  slot: number,
  lane: Lane,
  content: Uint8Array | undefined,
): number {
  let parts = 0;
  if ((table.flags[slot]! & HAS_PROGRESS) !== 0) parts |= HAS_PROGRESS_RECORD;
  if (content !== undefined && !isOfQueue(content, lane.queue.name)) parts |= HAS_OTHER_QUEUE;
  return parts;
}

function writeEnding(out: Writer, { final, error, result }: Ending): void {
  if (final !== undefined) {
    out.text(final.session);
    out.text(final.worker);
  }
  if (error !== undefined) {
    out.text(error.message);
    out.text(error.stack);
  }
  if (result !== undefined) {
    writeContentType(out, result.type);
    out.bytes(result.bytes);
  }
}

/** The record anew, in the form in which it was read. */
export function encodeFinishedRecord(record: FinishedRecord): Uint8Array {
  const { content, final, error, result, requestHigh, requestLow } = record;
  const isPlain = record.order === undefined;
  const out = sharedWriter;
  out.begin();
  out.byte(isPlain ? PLAIN_FINISHED : FULL_FINISHED);
  out.byte(record.state);
  let parts = 0;
  if (content !== undefined) parts |= HAS_CONTENT;
  if (final !== undefined) parts |= HAS_FINAL;
  if (error !== undefined) parts |= HAS_ERROR;
  if (result !== undefined) parts |= HAS_RESULT;
  if (requestHigh !== 0 || requestLow !== 0) parts |= HAS_REQUEST;
  if (record.hasProgress) parts |= HAS_PROGRESS_RECORD;
  if (content !== undefined && !isOfQueue(content, record.queue)) parts |= HAS_OTHER_QUEUE;
  out.byte(parts);
  out.uint(record.createdAt);
  out.uint(record.startedAt);
  out.uint(record.at);
  out.uint(record.attempt);
  out.uint(record.failures);
  writePolicy(out, record.policy, isPlain ? 1 : 2);
  out.uint(record.endedToken);
  out.byte(record.endedOutcome);
  if ((parts & HAS_REQUEST) !== 0) {
    out.word(requestHigh);
    out.word(requestLow);
  }
  if (record.order !== undefined) {
    out.uint(record.order);
    out.uint(record.contentBytes);
    out.uint(record.logLines);
  }
  writeEnding(out, record);
  if (parts & HAS_OTHER_QUEUE) out.text(record.queue);
  writeWhat(out, record, content);
  return out.finish();
}

/** The content, or what a list needs of it. */
function writeWhat(
  out: Writer,
  what: { readonly type: string; readonly queue: string; readonly priority: number },
  content: Uint8Array | undefined,
): void {
  if (content === undefined) {
    out.text(what.type);
    out.text(what.queue);
    out.byte(what.priority);
  } else {
    out.bytes(content);
  }
}

/** @throws CodecError */
export function decodeFinishedRecord(bytes: Uint8Array): FinishedRecord {
  const from = new Reader(bytes);
  const isPlain = bytes[0] !== FULL_FINISHED;
  readFormat(from, isPlain ? PLAIN_FINISHED : FULL_FINISHED);
  const state = from.byte();
  if (!FINISHED_STATES.includes(state)) throw new CodecError(`state ${state} of a finished task`);
  const parts = from.choice(isPlain ? PLAIN_PARTS : FULL_PARTS);
  const head = {
    state,
    createdAt: from.uint(),
    startedAt: from.uint(),
    at: from.uint(),
    attempt: from.uint(),
    failures: from.uint(),
    policy: readPolicy(from, isPlain ? 1 : 2),
    endedToken: from.uint(),
    endedOutcome: from.choice(ATTEMPT_OUTCOMES.length),
    requestHigh: parts & HAS_REQUEST ? from.word() : 0,
    requestLow: parts & HAS_REQUEST ? from.word() : 0,
    order: isPlain ? undefined : from.uint(),
    contentBytes: isPlain ? 0 : from.uint(),
    logLines: isPlain ? 0 : from.uint(),
    hasProgress: (parts & HAS_PROGRESS_RECORD) !== 0,
    final: parts & HAS_FINAL ? { session: from.text(), worker: from.text() } : undefined,
    error: parts & HAS_ERROR ? { message: from.text(), stack: from.text() } : undefined,
    result: parts & HAS_RESULT ? readResult(from) : undefined,
  };
  const queue = parts & HAS_OTHER_QUEUE ? { queue: from.text() } : {};
  const what = parts & HAS_CONTENT ? readEmbedded(from) : readNames(from);
  from.end();
  return { ...head, ...what, ...queue };
}

function readResult(from: Reader): TaskResult {
  const type = readContentType(from);
  return { type, bytes: from.bytes() };
}

function readNames(from: Reader) {
  return {
    content: undefined,
    type: from.text(),
    queue: from.text(),
    priority: from.choice(PRIORITIES.length),
  };
}

/** The first fields of the content are all that a list needs. */
function readEmbedded(from: Reader) {
  const content = from.bytes();
  const head = new Reader(content);
  head.byte();
  return {
    content,
    type: head.text(),
    queue: head.text(),
    priority: head.choice(PRIORITIES.length),
  };
}

function isOfQueue(content: Uint8Array, queue: string): boolean {
  const head = new Reader(content);
  head.skip(1);
  head.skip(head.uint());
  return head.text() === queue;
}
