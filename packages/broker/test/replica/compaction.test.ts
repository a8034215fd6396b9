import type { Entry, MemberStatus, PersistBatch } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { Compaction } from "../../src/replica/compaction.ts";
import {
  COMPACT_BYTES_MIN,
  LOG_BYTES_MAX,
  LOG_KEPT_BYTES,
  LOG_KEPT_FOR_SILENT_MS,
  LOG_PINNED_BYTES_MAX,
} from "../../src/replica/limits.ts";

const KEEP = 1_000;
const MIB = 1024 * 1024;
/** Stands for so many bytes without taking them. */
const sized = (length: number) => ({ length }) as Uint8Array;

function batchOf(part: Partial<PersistBatch>): PersistBatch {
  return {
    seq: 1,
    hardState: undefined,
    truncateFrom: undefined,
    entries: [],
    restore: undefined,
    messages: [],
    ...part,
  };
}

function entriesOf(from: number, to: number, bytes: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => {
    return { term: 1, index: from + at, kind: "normal" as const, data: sized(bytes) };
  });
}

function statusOf(id: string, given: Partial<MemberStatus> = {}): MemberStatus {
  return { id, match: 0, durable: 0, lastContactMs: 0, snapshotIndex: undefined, ...given };
}

/** A log of `count` entries of `bytes` each, flushed up to `flushed`. */
function logOf(count: number, bytes: number, flushed: number): Compaction {
  const compaction = new Compaction(KEEP, 0, 0, 0, 0);
  compaction.persisted(batchOf({ entries: entriesOf(1, count, bytes) }));
  compaction.flushed(flushed);
  return compaction;
}

const alone = () => [];

describe("a log", () => {
  test("is cut so far behind the completed flush that a short absence does no harm", () => {
    expect(logOf(5_000, 100, 4_000).next(alone, 0)).toBe(3_000);
  });

  test("is never cut beyond the completed flush", () => {
    expect(logOf(5_000, 100, 0).next(alone, 0)).toBeUndefined();
    const huge = logOf(20, LOG_KEPT_BYTES, 3);
    expect(huge.next(alone, 0)).toBeLessThanOrEqual(3);
  });

  test("is looked at once for each completed flush", () => {
    const compaction = logOf(5_000, 100, 4_000);
    expect(compaction.next(alone, 0)).toBe(3_000);
    expect(compaction.next(alone, 0)).toBeUndefined();
    compaction.flushed(4_100);
    expect(compaction.next(alone, 0)).toBeUndefined();
    compaction.flushed(4_250);
    expect(compaction.next(alone, 0)).toBe(3_250);
  });

  test("is cut for a few entries only if those are large", () => {
    expect(logOf(1_200, 100, 1_200).next(alone, 0)).toBeUndefined();
    const large = Math.ceil(COMPACT_BYTES_MIN / 199);
    expect(logOf(1_200, large, 1_200).next(alone, 0)).toBe(200);
  });

  test("keeps no more bytes than its share, however few entries that leaves", () => {
    const upTo = logOf(600, MIB, 600).next(alone, 0)!;
    expect(600 - upTo).toBeLessThanOrEqual(256);
    expect(600 - upTo).toBeGreaterThan(250);
  });

  test("counts what it held at the start evenly, and what came since exactly", () => {
    const compaction = new Compaction(KEEP, 100, 500, 400 * MIB, 500);
    expect(compaction.bytes).toBe(400 * MIB);
    expect(compaction.next(alone, 0)).toBe(100 + (400 - 256));
    expect(compaction.bytes).toBe(256 * MIB);
    compaction.persisted(batchOf({ entries: entriesOf(501, 510, MIB) }));
    expect(compaction.bytes).toBe(266 * MIB);
  });

  test("gives back the bytes of entries that were replaced", () => {
    const compaction = logOf(100, MIB, 0);
    compaction.persisted(batchOf({ truncateFrom: 51, entries: entriesOf(51, 60, 2 * MIB) }));
    expect(compaction.bytes).toBe(70 * MIB);
  });

  test("starts anew behind a snapshot", () => {
    const compaction = logOf(5_000, 100, 2_000);
    const restore = { term: 3, index: 9_000 };
    compaction.persisted(batchOf({ restore, entries: entriesOf(9_001, 9_100, 10) }));
    expect(compaction.bytes).toBe(1_000);
    expect(compaction.next(alone, 0)).toBeUndefined();
    compaction.persisted(batchOf({ entries: entriesOf(9_101, 12_000, 10) }));
    compaction.flushed(12_000);
    expect(compaction.next(alone, 0)).toBe(11_000);
  });
});

describe("a leader's log", () => {
  const self = statusOf("a", { match: 5_000 });

  test("is kept for a member that answers, from what it still needs", () => {
    const slow = statusOf("b", { match: 700 });
    expect(logOf(5_000, 100, 5_000).next(() => [self, slow], 0)).toBe(700);
  });

  test("is not kept for one that has been silent for long", () => {
    const compaction = logOf(5_000, 100, 5_000);
    const silent = statusOf("b", { match: 10 });
    expect(compaction.next(() => [self, silent], LOG_KEPT_FOR_SILENT_MS)).toBeUndefined();
    compaction.flushed(5_000);
    expect(compaction.next(() => [self, silent], LOG_KEPT_FOR_SILENT_MS + 1)).toBe(4_000);
  });

  test("is not kept for a slow one beyond its bound", () => {
    const entry = Math.ceil(LOG_BYTES_MAX / 5_000) + 1;
    const compaction = logOf(5_000, entry, 5_000);
    const upTo = compaction.next(() => [self, statusOf("b", { match: 10 })], 0)!;
    expect(upTo).toBeGreaterThan(4_000);
  });

  test("is kept from a snapshot on while a member receives that, beyond this bound too", () => {
    const entry = Math.ceil(LOG_BYTES_MAX / 5_000) + 1;
    const receiving = statusOf("b", { match: 10, snapshotIndex: 2_000 });
    expect(logOf(5_000, entry, 5_000).next(() => [self, receiving], 0)).toBe(2_000);
  });

  test("takes no more writes when it grows too large meanwhile, until the member has it", () => {
    const entry = Math.ceil(LOG_PINNED_BYTES_MAX / 5_000) + 1;
    const compaction = logOf(5_000, entry, 5_000);
    const receiving = statusOf("b", { snapshotIndex: 0 });
    expect(compaction.next(() => [self, receiving], 0)).toBeUndefined();
    expect(compaction.isOverfull).toBe(true);
    // No flush need come for it to end.
    const upTo = compaction.next(() => [self, statusOf("b", { match: 4_900 })], 0)!;
    expect(upTo).toBeGreaterThan(4_000);
    expect(compaction.isOverfull).toBe(false);
  });
});
