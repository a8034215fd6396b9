/**
 * For an edge that scans the store for what may be forgotten: tombstones and keys. What it finds is
 * looked at again by `forget`, so that what is not flushed yet does not matter.
 */
import { decodeKeyRecord, decodeTombstone, decodeUniqueRecord } from "./codec/small-records.ts";
import { IDEMPOTENCY, idOfTaskKey, TOMBSTONE, UNIQUE } from "./keys.ts";
import { DEDUP_WINDOW_MS } from "./limits.ts";
import { successor } from "./successor.ts";
import type { ClusterTime, TaskId } from "./task.ts";
import type { KeyRange } from "./view.ts";

const SLASH = 0x2f;
const PREFIXES = { tombstone: TOMBSTONE, idempotency: IDEMPOTENCY, unique: UNIQUE } as const;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type LeftOverKind = keyof typeof PREFIXES;

export interface LeftOver {
  /** Of the task that is no more, or that has or had the key. */
  readonly id: TaskId;
  /** Until then it counts in any case. */
  readonly until: ClusterTime;
  /** Of a key; of a tombstone both are empty. */
  readonly queue: string;
  readonly key: string;
}

/** Records of a kind, beyond a key. */
export function leftOverRange(kind: LeftOverKind, after: Uint8Array | undefined): KeyRange {
  const prefix = PREFIXES[kind];
  const gte = after === undefined ? Uint8Array.of(prefix, SLASH) : successor(after);
  return { gte, lt: Uint8Array.of(prefix, SLASH + 1) };
}

/** @throws CodecError */
export function decodeLeftOver(kind: LeftOverKind, key: Uint8Array, value: Uint8Array): LeftOver {
  if (kind === "tombstone") {
    const { until } = decodeTombstone(value);
    return { id: idOfTaskKey(key).slice(), until, queue: "", key: "" };
  }
  const [queue = "", ...rest] = decoder.decode(key.subarray(2)).split("\0");
  const name = rest.join("\0");
  if (kind === "unique") return { ...decodeUniqueRecord(value), queue, key: name };
  const { id, at } = decodeKeyRecord(value);
  return { id, until: at + DEDUP_WINDOW_MS, queue, key: name };
}
