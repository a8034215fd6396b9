/**
 * Reads every record of a state the way a machine would, without building one: whoever keeps a
 * snapshot wants to know today, not on the day of the loss, that it can be gone on with. Counters
 * are held against the tasks that they count. What it finds wrong it throws.
 */
import { decodeAccessKey } from "./codec/access-key-record.ts";
import { decodeAttempt } from "./codec/attempt-record.ts";
import { CodecError } from "./codec/codec-error.ts";
import { decodeContent } from "./codec/content.ts";
import { decodeFinishedRecord } from "./codec/finished-record.ts";
import { decodeBlock, decodeErrorGroup } from "./codec/history-records.ts";
import { decodeJob } from "./codec/job-record.ts";
import { decodeLive } from "./codec/live-record.ts";
import { decodeCulprit, decodeParents } from "./codec/parent-record.ts";
import { decodeQueue } from "./codec/queue-record.ts";
import { decodeLogLine, decodeProgress } from "./codec/run-notes.ts";
import {
  decodeGroup,
  decodeKeyRecord,
  decodeMeta,
  decodeSession,
  decodeTombstone,
  encodeMeta,
  INDEX_VALUE,
  type Meta,
} from "./codec/small-records.ts";
import {
  ACCESS_KEY,
  ATTEMPT,
  BLOCK,
  BOOT_RANGES,
  CONTENT,
  CULPRIT,
  EDGE,
  ERROR_GROUP,
  FINISHED,
  GROUP,
  IDEMPOTENCY,
  INDEX,
  JOB,
  LIVE,
  LOG_LINE,
  META,
  PARENTS,
  PROGRESS,
  QUEUE,
  SESSION,
  TOMBSTONE,
  UNIQUE,
} from "./keys.ts";
import { stateName } from "./state-number.ts";
import { TASK_STATES, type Token } from "./task.ts";
import type { KeyRange, StateCounts } from "./view.ts";

type Row = readonly [key: Uint8Array, value: Uint8Array];

/** What a state is, in few words. */
export interface StateSummary {
  /** Of the cluster. */
  readonly version: number;
  readonly applied: number;
  readonly clock: number;
  readonly queues: number;
  /** Tasks in each state, as the counters of the queues have it. */
  readonly tasks: StateCounts;
}

/** What is asked for in order to sum a state up: one record, and one for each queue. */
export const SUMMARY_RANGES: readonly KeyRange[] = BOOT_RANGES.slice(0, 2);

export class StateCheck {
  readonly #found = new Float64Array(TASK_STATES.length);
  readonly #counted = new Float64Array(TASK_STATES.length);
  #meta: Meta | undefined;
  #queues = 0;

  /** Throws `CodecError` for a record that cannot be read. */
  add([key, value]: Row): void {
    switch (key[0]) {
      case META:
        this.#meta = decodeMeta(value);
        return;
      case QUEUE:
        this.#addQueue(value);
        return;
      case LIVE:
        this.#found[decodeLive(value).state]!++;
        return;
      case FINISHED:
        this.#found[decodeFinishedRecord(value).state]!++;
        return;
      default:
        checkOther(key, value);
    }
  }

  /** Of what was added. Throws `CodecError` when that has no beginning. */
  summary(): StateSummary {
    if (this.#meta === undefined) throw new CodecError("the record of the state itself is missing");
    const { version, applied, clock } = this.#meta;
    const counts = TASK_STATES.map((_, state) => [stateName(state), this.#counted[state]!]);
    const tasks = Object.fromEntries(counts) as StateCounts;
    return { version, applied, clock, queues: this.#queues, tasks };
  }

  /** All records were added. Throws `CodecError` when tasks are missing, or one too many. */
  end(): StateSummary {
    for (const [state, counted] of this.#counted.entries()) {
      const found = this.#found[state];
      if (found === counted) continue;
      throw new CodecError(
        `there are ${found} ${stateName(state)} tasks, and the queues count ${counted}`,
      );
    }
    return this.summary();
  }

  #addQueue(value: Uint8Array): void {
    const { counts } = decodeQueue(value);
    this.#queues++;
    for (let state = 0; state < counts.length; state++) this.#counted[state]! += counts[state]!;
  }
}

function checkOther(key: Uint8Array, value: Uint8Array): void {
  const decode = DECODERS.get(key[0]!);
  if (decode === undefined) throw new CodecError(`a record of kind ${key[0]}`);
  decode(value);
}

const DECODERS: ReadonlyMap<number, (value: Uint8Array) => unknown> = new Map([
  [ACCESS_KEY, decodeAccessKey],
  [BLOCK, decodeBlock],
  [JOB, decodeJob],
  [CONTENT, decodeContent],
  [PARENTS, decodeParents],
  [CULPRIT, decodeCulprit],
  [LOG_LINE, decodeLogLine],
  [PROGRESS, decodeProgress],
  [ATTEMPT, (value: Uint8Array) => decodeAttempt(value, 1)],
  [IDEMPOTENCY, decodeKeyRecord],
  [UNIQUE, decodeKeyRecord],
  [TOMBSTONE, decodeTombstone],
  [GROUP, decodeGroup],
  [SESSION, decodeSession],
  [ERROR_GROUP, decodeErrorGroup],
  [EDGE, decodeIndex],
  [INDEX, decodeIndex],
] as readonly (readonly [number, (value: Uint8Array) => unknown])[]);

function decodeIndex(value: Uint8Array): void {
  const isWhole = value.length === INDEX_VALUE.length && value[0] === INDEX_VALUE[0];
  if (!isWhole) throw new CodecError("an entry of an index that says something");
}

/** The same row; that of the state itself as if `leap` more tokens had been given. */
export function leapTokens([key, value]: Row, leap: number): Row {
  if (key[0] !== META) return [key, value];
  const meta = decodeMeta(value);
  const nextToken: Token = meta.nextToken + leap;
  if (!Number.isSafeInteger(nextToken)) throw new CodecError("no tokens are left");
  return [key, encodeMeta({ ...meta, nextToken })];
}
