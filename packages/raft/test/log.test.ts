import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "../src/index.ts";
import { ENTRY_OVERHEAD_BYTES } from "../src/index.ts";
import { RaftLog } from "../src/log.ts";
import { entriesOf } from "./fixture.ts";

/** The same log as a plain array with plain loops; index i stands at i - 1. */
class NaiveLog {
  entries: Entry[] = [];
  prev = 0;

  size(from: number, to: number): number {
    return this.entries
      .slice(from - 1, to)
      .reduce((sum, entry) => sum + entry.data.length + ENTRY_OVERHEAD_BYTES, 0);
  }
}

type Step =
  | { readonly kind: "append"; readonly term: number; readonly bytes: number }
  | { readonly kind: "truncate"; readonly at: number }
  | { readonly kind: "evict"; readonly maxBytes: number; readonly upTo: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("append"), term: fc.nat(2), bytes: fc.nat(30) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate"), at: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("evict"), maxBytes: fc.nat(300), upTo: fc.nat(60) }),
  },
) as fc.Arbitrary<Step>;

function take(log: RaftLog, naive: NaiveLog, one: Step): void {
  const last = naive.entries.length;
  if (one.kind === "append") {
    const term = (naive.entries.at(-1)?.term ?? 0) + one.term;
    const entry: Entry = { term, index: last + 1, kind: "normal", data: new Uint8Array(one.bytes) };
    log.append(entry);
    naive.entries.push(entry);
  } else if (one.kind === "truncate") {
    const from = Math.max(naive.prev + 1, one.at);
    log.truncateFrom(from);
    naive.entries.splice(from - 1);
  } else {
    log.evict(one.maxBytes, one.upTo);
    while (
      naive.prev < Math.min(one.upTo, last) &&
      naive.size(naive.prev + 1, last) > one.maxBytes
    ) {
      naive.prev++;
    }
  }
}

function check(log: RaftLog, naive: NaiveLog): void {
  const last = naive.entries.length;
  expect(log.lastIndex).toBe(last);
  expect(log.lastTerm).toBe(naive.entries.at(-1)?.term ?? 0);
  expect(log.prev).toEqual({ index: naive.prev, term: naive.entries[naive.prev - 1]?.term ?? 0 });
  expect(log.bytes).toBe(naive.size(naive.prev + 1, last));
  for (let index = 0; index <= last + 2; index++) {
    const term = index === 0 ? 0 : naive.entries[index - 1]?.term;
    expect(log.termAt(index)).toBe(index < naive.prev ? undefined : term);
    if (index < naive.prev) continue;
    expect(log.bytesAfter(index)).toBe(naive.size(index + 1, last));
    expect(log.slice(index + 1, last)).toEqual(naive.entries.slice(index));
    for (const limit of [0, 40, 100]) checkLimited(log, naive, index + 1, limit);
    for (let term = 0; term < 6; term++) checkHint(log, naive, index, term);
  }
}

function checkLimited(log: RaftLog, naive: NaiveLog, from: number, limit: number): void {
  const entries = log.sliceBytes(from, limit);
  const end = from + entries.length - 1;
  expect(entries).toEqual(naive.entries.slice(from - 1, end));
  if (from <= naive.entries.length) expect(entries.length).toBeGreaterThan(0);
  if (entries.length > 1) expect(naive.size(from, end)).toBeLessThanOrEqual(limit);
  if (end < naive.entries.length && entries.length > 0) {
    expect(naive.size(from, end + 1)).toBeGreaterThan(limit);
  }
}

function checkHint(log: RaftLog, naive: NaiveLog, index: number, term: number): void {
  let at = Math.min(index, naive.entries.length);
  while (at > naive.prev && naive.entries[at - 1]!.term > term) at--;
  expect(log.newestWithTermAtMost(index, term).index).toBe(at);
}

describe("RaftLog", () => {
  test("behaves like a plain array", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const log = new RaftLog({ prev: { term: 0, index: 0 }, tail: [] });
        const naive = new NaiveLog();
        for (const one of steps) take(log, naive, one);
        check(log, naive);
      }),
      { numRuns: 300 },
    );
  });

  test("stays whole over many evictions", () => {
    const log = new RaftLog({ prev: { term: 0, index: 0 }, tail: [] });
    for (const entry of entriesOf(1, ...Array.from({ length: 5000 }, () => 1))) {
      log.append(entry);
      log.evict(1000, entry.index - 1);
    }
    expect(log.bytes).toBeLessThanOrEqual(1000);
    const first = log.prev.index + 1;
    expect(log.slice(first, 5000).map(({ index }) => index)[0]).toBe(first);
    expect(log.slice(first, 5000).at(-1)?.index).toBe(5000);
  });

  test.each([2 ** 31, 2 ** 32, 2 ** 53 - 10])("holds entries around index %d", (index) => {
    const prev = { term: index, index: index - 3 };
    const tail = entriesOf(index - 2, index, index, index + 1, index + 2);
    const log = new RaftLog({ prev, tail });
    expect(log.last).toEqual({ term: index + 2, index: index + 1 });
    expect(log.newestWithTermAtMost(index + 1, index)).toEqual({ term: index, index: index - 1 });
    log.truncateFrom(index);
    expect(log.slice(index - 2, index - 1)).toEqual(tail.slice(0, 2));
  });

  test("refuses what would leave a hole or go back in terms", () => {
    const log = new RaftLog({ prev: { term: 1, index: 4 }, tail: entriesOf(5, 2) });
    expect(() => log.append(entriesOf(7, 2)[0]!)).toThrow("entry 7 cannot follow entry 5");
    expect(() => log.append(entriesOf(6, 1)[0]!)).toThrow("entry 6 has term 1, the one before 2");
    expect(() => log.truncateFrom(4)).toThrow("below the log in memory");
    expect(() => log.slice(4, 5)).toThrow("entries 4-5 asked for");
  });
});
