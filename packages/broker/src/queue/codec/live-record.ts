/**
 * The record of a live task: all that its slot holds, so that a boot rebuilds the table from these
 * records alone and never reads a content.
 */
import type { Lane } from "../lane.ts";
import type { LiveTable } from "../live-table.ts";
import { DEAD_LETTER, HAS_PROGRESS } from "../live-table.ts";
import { LIVE_STATES, RUNNING } from "../state-number.ts";
import type { RetryPolicy } from "../task.ts";
import { ATTEMPT_OUTCOMES, PRIORITIES } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { readFormat } from "./content.ts";
import { readPolicy, writePolicy } from "./policy.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

/** What a program before version 3 knows. */
const PLAIN_LIVE = 1;
const FULL_LIVE = 2;
const FATES_MAX = 3;
const COUNT_MAX = 0xffff_ffff;

export interface LiveRecord {
  readonly state: number;
  readonly type: string;
  readonly queue: string;
  readonly priority: number;
  readonly order: number;
  readonly dueAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly startedAt: number;
  readonly attempt: number;
  readonly deliveries: number;
  readonly failures: number;
  readonly policy: RetryPolicy;
  readonly timeoutMs: number;
  readonly extendedTo: number;
  readonly token: number;
  readonly endedToken: number;
  readonly endedOutcome: number;
  readonly requestHigh: number;
  readonly requestLow: number;
  /** Of a running task, else empty. */
  readonly session: string;
  /** Since version 3. */
  readonly requires: readonly string[];
  readonly group: string;
  readonly expiresAt: number;
  readonly contentBytes: number;
  readonly logLines: number;
  readonly hasProgress: boolean;
  readonly waitsFor: number;
  readonly fate: number;
  readonly isDeadLetter: boolean;
}

/** `session` is that of a running task, else ignored; `version` is that of the cluster. */
export function encodeLive(
  table: LiveTable,
  slot: number,
  lane: Lane,
  names: { readonly session: string; readonly group: string },
  version: number,
): Uint8Array {
  const out = sharedWriter;
  const state = table.state[slot]!;
  out.begin();
  out.byte(version < 3 ? PLAIN_LIVE : FULL_LIVE);
  out.byte(state);
  out.text(lane.type);
  out.text(lane.queue.name);
  out.byte(table.priority[slot]!);
  out.uint(table.order[slot]!);
  out.uint(table.dueAt[slot]!);
  out.uint(table.createdAt[slot]!);
  out.uint(table.updatedAt[slot]!);
  out.uint(table.startedAt[slot]!);
  out.uint(table.attempt[slot]!);
  out.uint(table.deliveries[slot]!);
  out.uint(table.failures[slot]!);
  writePolicy(out, table.policy(slot), version < 3 ? 1 : 2);
  out.uint(table.timeoutMs[slot]!);
  out.uint(table.extendedTo[slot]!);
  out.uint(table.token[slot]!);
  out.uint(table.endedToken[slot]!);
  out.byte(table.endedOutcome[slot]!);
  out.word(table.requestHigh[slot]!);
  out.word(table.requestLow[slot]!);
  if (state === RUNNING) out.text(names.session);
  if (version >= 3) {
    out.texts(lane.requires);
    out.text(names.group);
    out.uint(table.expiresAt[slot]!);
    out.uint(table.contentBytes[slot]!);
    out.uint(table.logLines[slot]!);
    out.flag((table.flags[slot]! & HAS_PROGRESS) !== 0);
    out.uint(table.waitsFor[slot]!);
    out.byte(table.fate[slot]!);
    out.flag((table.flags[slot]! & DEAD_LETTER) !== 0);
  }
  return out.finish();
}

/** @throws CodecError */
export function decodeLive(bytes: Uint8Array): LiveRecord {
  const from = new Reader(bytes);
  const isPlain = bytes[0] !== FULL_LIVE;
  readFormat(from, isPlain ? PLAIN_LIVE : FULL_LIVE);
  const state = from.byte();
  if (!LIVE_STATES.includes(state)) throw new CodecError(`state ${state} in a live record`);
  const record = {
    state,
    type: from.text(),
    queue: from.text(),
    priority: from.choice(PRIORITIES.length),
    order: from.uint(),
    dueAt: from.uint(),
    createdAt: from.uint(),
    updatedAt: from.uint(),
    startedAt: from.uint(),
    attempt: readCount(from),
    deliveries: readCount(from),
    failures: readCount(from),
    policy: readPolicy(from, isPlain ? 1 : 2),
    timeoutMs: from.uint(),
    extendedTo: from.uint(),
    token: from.uint(),
    endedToken: from.uint(),
    endedOutcome: from.choice(ATTEMPT_OUTCOMES.length),
    requestHigh: from.word(),
    requestLow: from.word(),
    session: state === RUNNING ? from.text() : "",
    ...(isPlain ? PLAIN : readRest(from)),
  };
  from.end();
  return record;
}

const PLAIN = {
  requires: [],
  group: "",
  expiresAt: 0,
  contentBytes: 0,
  logLines: 0,
  hasProgress: false,
  waitsFor: 0,
  fate: 0,
  isDeadLetter: false,
} as const;

function readRest(from: Reader): Pick<LiveRecord, keyof typeof PLAIN> {
  return {
    requires: from.texts(),
    group: from.text(),
    expiresAt: from.uint(),
    contentBytes: readCount(from),
    logLines: readCount(from),
    hasProgress: from.flag(),
    waitsFor: readCount(from),
    fate: from.choice(FATES_MAX),
    isDeadLetter: from.flag(),
  };
}

function readCount(from: Reader): number {
  const count = from.uint();
  if (count > COUNT_MAX) throw new CodecError("count too large");
  return count;
}
