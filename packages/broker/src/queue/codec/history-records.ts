/**
 * The records that stand beside the history: the summary of a block of it, and a group of dead
 * tasks with alike errors. Since version 3.
 */
import type { ClusterTime, TaskId } from "../task.ts";
import type { ErrorGroup } from "../view.ts";
import { CodecError } from "./codec-error.ts";
import { readFormat } from "./content.ts";
import { Reader } from "./reader.ts";
import { sharedWriter } from "./writer.ts";

const FORMAT = 1;
const ID_BYTES = 16;
const FINGERPRINT_DIGITS = 16;

/** A queue and a type that occur together. */
export interface HistoryLane {
  readonly queue: string;
  readonly type: string;
}

/** What the finished tasks of one block have in common; its number is in the key. */
export interface BlockRecord {
  /** How many ended as completed, dead, cancelled and expired. */
  readonly counts: readonly [number, number, number, number];
  /** undefined = more than are told apart. */
  readonly lanes: readonly HistoryLane[] | undefined;
  /** Bounds; what was removed since may have made them wider than they need to be. */
  readonly smallest: TaskId;
  readonly largest: TaskId;
  readonly firstEndedAt: ClusterTime;
  readonly lastEndedAt: ClusterTime;
}

export function encodeBlock(block: BlockRecord): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  for (const count of block.counts) out.uint(count);
  out.raw(block.smallest);
  out.raw(block.largest);
  out.uint(block.firstEndedAt);
  out.uint(block.lastEndedAt);
  out.flag(block.lanes !== undefined);
  if (block.lanes === undefined) return out.finish();
  out.uint(block.lanes.length);
  for (const { queue, type } of block.lanes) {
    out.text(queue);
    out.text(type);
  }
  return out.finish();
}

/** @throws CodecError */
export function decodeBlock(bytes: Uint8Array): BlockRecord {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const block: BlockRecord = {
    counts: [from.uint(), from.uint(), from.uint(), from.uint()],
    smallest: from.raw(ID_BYTES).slice(),
    largest: from.raw(ID_BYTES).slice(),
    firstEndedAt: from.uint(),
    lastEndedAt: from.uint(),
    lanes: from.flag() ? readLanes(from) : undefined,
  };
  from.end();
  return block;
}

function readLanes(from: Reader): HistoryLane[] {
  const lanes: HistoryLane[] = [];
  for (let left = from.count(); left > 0; left--) {
    lanes.push({ queue: from.text(), type: from.text() });
  }
  return lanes;
}

export function encodeErrorGroup(group: ErrorGroup): Uint8Array {
  const out = sharedWriter;
  out.begin();
  out.byte(FORMAT);
  out.text(group.fingerprint);
  out.text(group.type);
  out.text(group.message);
  out.uint(group.count);
  out.uint(group.firstAt);
  out.uint(group.lastAt);
  return out.finish();
}

/** A value found in the machine's `errorGroupRange`. @throws CodecError */
export function decodeErrorGroup(bytes: Uint8Array): ErrorGroup {
  const from = new Reader(bytes);
  readFormat(from, FORMAT);
  const group = {
    fingerprint: from.text(),
    type: from.text(),
    message: from.text(),
    count: from.uint(),
    firstAt: from.uint(),
    lastAt: from.uint(),
  };
  from.end();
  if (group.fingerprint.length !== FINGERPRINT_DIGITS) throw new CodecError("not a fingerprint");
  return group;
}
