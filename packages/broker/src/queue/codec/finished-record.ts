/**
 * The record of a finished task. A task that came and went between two flushes has its content
 * inside: one key in all. Otherwise the content stays under its own key, and type, queue and
 * priority stand here for those who scan the history.
 */
import type { Lane } from "../lanes.ts";
import type { LiveTable } from "../live-table.ts";
import { CANCELLED, COMPLETED, DEAD } from "../state-number.ts";
import type { ContentType, RetryPolicy, TaskError } from "../task.ts";
import { ATTEMPT_OUTCOMES, PRIORITIES } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import {
  readContentType,
  readFormat,
  readPolicy,
  writeContentType,
  writePolicy,
} from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter, type Writer } from "./writer.ts";

const FINISHED_FORMAT = 1;
const FINISHED_STATES: readonly number[] = [COMPLETED, DEAD, CANCELLED];

/** Bits: which parts follow. */
const HAS_CONTENT = 1;
const HAS_FINAL = 2;
const HAS_ERROR = 4;
const HAS_RESULT = 8;
const HAS_REQUEST = 16;
const PARTS = 32;

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
}

export function encodeFinished(
  table: LiveTable,
  slot: number,
  lane: Lane,
  ending: Ending,
  content: Uint8Array | undefined,
): Uint8Array {
  const { final, error, result } = ending;
  const requestHigh = table.requestHigh[slot]!;
  const requestLow = table.requestLow[slot]!;
  const out = sharedWriter;
  out.begin();
  out.byte(FINISHED_FORMAT);
  out.byte(ending.state);
  let parts = 0;
  if (content !== undefined) parts |= HAS_CONTENT;
  if (final !== undefined) parts |= HAS_FINAL;
  if (error !== undefined) parts |= HAS_ERROR;
  if (result !== undefined) parts |= HAS_RESULT;
  if (requestHigh !== 0 || requestLow !== 0) parts |= HAS_REQUEST;
  out.byte(parts);
  out.uint(table.createdAt[slot]!);
  out.uint(table.startedAt[slot]!);
  out.uint(ending.at);
  out.uint(table.attempt[slot]!);
  out.uint(table.failures[slot]!);
  writePolicy(out, table.policy(slot));
  out.uint(table.endedToken[slot]!);
  out.byte(table.endedOutcome[slot]!);
  if ((parts & HAS_REQUEST) !== 0) {
    out.word(requestHigh);
    out.word(requestLow);
  }
  writeEnding(out, ending);
  if (content === undefined) {
    out.text(lane.type);
    out.text(lane.queue.name);
    out.byte(table.priority[slot]!);
  } else {
    out.bytes(content);
  }
  return out.finish();
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

/** @throws CodecError */
export function decodeFinishedRecord(bytes: Uint8Array): FinishedRecord {
  const from = new Reader(bytes);
  readFormat(from, FINISHED_FORMAT);
  const state = from.byte();
  if (!FINISHED_STATES.includes(state)) throw new CodecError(`state ${state} of a finished task`);
  const parts = from.choice(PARTS);
  const head = {
    state,
    createdAt: from.uint(),
    startedAt: from.uint(),
    at: from.uint(),
    attempt: from.uint(),
    failures: from.uint(),
    policy: readPolicy(from),
    endedToken: from.uint(),
    endedOutcome: from.choice(ATTEMPT_OUTCOMES.length),
    requestHigh: parts & HAS_REQUEST ? from.word() : 0,
    requestLow: parts & HAS_REQUEST ? from.word() : 0,
    final: parts & HAS_FINAL ? { session: from.text(), worker: from.text() } : undefined,
    error: parts & HAS_ERROR ? { message: from.text(), stack: from.text() } : undefined,
    result: parts & HAS_RESULT ? readResult(from) : undefined,
  };
  const what = parts & HAS_CONTENT ? readEmbedded(from) : readNames(from);
  from.end();
  return { ...head, ...what };
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
