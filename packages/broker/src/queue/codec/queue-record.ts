/**
 * The record of a queue: its counters, and since version 3 what an operator said of it and where
 * its turns stand. Settings also travel alone, in the command that changes them.
 */
import { DEFAULT_SETTINGS, type QueueSettings, type Retention } from "../queue-settings.ts";
import { TASK_STATES } from "../task.ts";
import { CodecError } from "./codec-error.ts";
import { readFormat } from "./content.ts";
import { readWish, writeWish } from "./policy.ts";
import { Reader } from "./reader.ts";
import { readStanding, writeStanding } from "./standing.ts";
import { sharedWriter, type Writer } from "./writer.ts";

/** What a program before version 3 knows. */
const PLAIN_QUEUE = 1;
const FULL_QUEUE = 2;

export interface QueueRecord {
  readonly name: string;
  /** Tasks in each state. */
  readonly counts: ArrayLike<number>;
  readonly settings: QueueSettings;
  /** Raised by each change of the settings; it begins at 0, or where no deleted queue has been. */
  readonly revision: number;
  /** Nothing of it is leased. */
  readonly paused: boolean;
  /** Nothing is taken in. */
  readonly draining: boolean;
  /** Where it stands among the queues, and its groups among each other; see `turns.ts`. */
  readonly turn: number;
  /** No lease has looked at it since there is something of it to be leased; see `newcomers.ts`. */
  readonly newcomer: boolean;
  readonly groupTurn: number;
  /** Of the finished tasks' records, dead ones not counted. */
  readonly finishedBytes: number;
}

export function encodeQueue(queue: QueueRecord, version: number): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(version < 3 ? PLAIN_QUEUE : FULL_QUEUE);
  out.text(queue.name);
  for (let state = 0; state < TASK_STATES.length; state++) out.uint(queue.counts[state]!);
  if (version < 3) return out.finish();
  writeSettings(out, queue.settings);
  out.uint(queue.revision);
  out.flag(queue.paused);
  out.flag(queue.draining);
  writeStanding(out, queue);
  out.uint(queue.groupTurn);
  out.uint(queue.finishedBytes);
  return out.finish();
}

/** @throws CodecError */
export function decodeQueue(bytes: Uint8Array): QueueRecord {
  const from = new Reader(bytes);
  const isPlain = bytes[0] !== FULL_QUEUE;
  readFormat(from, isPlain ? PLAIN_QUEUE : FULL_QUEUE);
  const head = { name: from.text(), counts: TASK_STATES.map(() => from.uint()) };
  const record = { ...head, ...(isPlain ? PLAIN : readRest(from)) };
  from.end();
  return record;
}

const PLAIN = {
  settings: DEFAULT_SETTINGS,
  revision: 0,
  paused: false,
  draining: false,
  turn: 0,
  newcomer: true,
  groupTurn: 0,
  finishedBytes: 0,
} as const;

function readRest(from: Reader): Pick<QueueRecord, keyof typeof PLAIN> {
  return {
    settings: readSettings(from),
    revision: from.uint(),
    paused: from.flag(),
    draining: from.flag(),
    ...readStanding(from),
    groupTurn: from.uint(),
    finishedBytes: from.uint(),
  };
}

/** True when both say the same. */
export function sameSettings(one: QueueSettings, other: QueueSettings): boolean {
  if (one === other) return true;
  const [a, b] = [one, other].map((settings) => {
    sharedWriter.begin();
    writeSettings(sharedWriter, settings);
    return sharedWriter.finish();
  });
  return a!.length === b!.length && a!.every((byte, at) => byte === b![at]);
}

export function writeSettings(out: Writer, settings: QueueSettings): void {
  out.uint(settings.depthLimit);
  out.uint(settings.defaultTtlMs);
  writeWish(out, settings.retry, 2);
  out.uint(settings.concurrency);
  out.uint(settings.groupConcurrency);
  out.uint(settings.weight);
  out.uint(settings.groupWeights.length);
  for (const { group, weight } of settings.groupWeights) {
    out.text(group);
    out.uint(weight);
  }
  out.text(settings.deadLetterQueue);
  writeRetention(out, settings.retention);
}

/** @throws CodecError */
export function readSettings(from: Reader): QueueSettings {
  return {
    depthLimit: from.uint(),
    defaultTtlMs: from.uint(),
    retry: readWish(from, 2),
    concurrency: from.uint(),
    groupConcurrency: from.uint(),
    weight: readWeight(from),
    groupWeights: readGroupWeights(from),
    deadLetterQueue: from.text(),
    retention: readRetention(from),
  };
}

function readGroupWeights(from: Reader): QueueSettings["groupWeights"] {
  const weights: QueueSettings["groupWeights"][number][] = [];
  for (let left = from.count(); left > 0; left--) {
    weights.push({ group: from.text(), weight: readWeight(from) });
  }
  return weights;
}

function readWeight(from: Reader): number {
  const weight = from.uint();
  if (weight < 1 || weight > 1000) throw new CodecError(`weight ${weight}`);
  return weight;
}

function writeRetention(out: Writer, retention: Retention): void {
  out.uint(retention.ageMs);
  out.uint(retention.deadAgeMs);
  out.uint(retention.count);
  out.uint(retention.bytes);
  out.uint(retention.resultAgeMs);
  out.uint(retention.logAgeMs);
}

function readRetention(from: Reader): Retention {
  return {
    ageMs: from.uint(),
    deadAgeMs: from.uint(),
    count: from.uint(),
    bytes: from.uint(),
    resultAgeMs: from.uint(),
    logAgeMs: from.uint(),
  };
}
