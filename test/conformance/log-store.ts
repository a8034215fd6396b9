/**
 * What every LogStore must do, whatever it stands on. Called by the tests of each implementation
 * with a way to make one; `reopen` is given where the store outlives its object.
 */
import fc from "fast-check";
import type { Entry } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import type { LogSlice, LogStore } from "../../packages/broker/src/ports.ts";

export interface LogStoreFixture {
  readonly store: LogStore;
  /** Closes the store and opens it again. */
  readonly reopen?: () => Promise<LogStore>;
  dispose(): Promise<void>;
}

const ALL = 1 << 30;

export function entry(index: number, term: number, bytes = 10): Entry {
  const data = Uint8Array.from({ length: bytes }, (_, at) => (index * 31 + term * 7 + at) & 255);
  return { index, term, kind: "normal", data };
}

/** Entries `from..to` of one term. */
export function entries(from: number, to: number, term: number, bytes = 10): readonly Entry[] {
  return Array.from({ length: to - from + 1 }, (_, ordinal) => entry(from + ordinal, term, bytes));
}

export function appended(list: readonly Entry[]) {
  return { truncateFrom: undefined, entries: list };
}

export function logStoreConformance(name: string, make: () => Promise<LogStoreFixture>): void {
  async function using(body: (fixture: LogStoreFixture) => Promise<void>): Promise<void> {
    const fixture = await make();
    try {
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }

  describe(`${name} is a LogStore`, () => {
    test("a new log is empty", () =>
      using(async ({ store }) => {
        expect(store.last).toEqual({ term: 0, index: 0 });
        expect(store.base).toEqual({ term: 0, index: 0 });
        expect(store.bytes).toBe(0);
        const slice = await store.read(1, ALL);
        expect(slice).toEqual({ prev: { term: 0, index: 0 }, entries: [] });
      }));

    test("reads back what was appended, every kind, empty data too", () =>
      using(async ({ store }) => {
        const list: readonly Entry[] = [
          { ...entry(1, 1, 0), kind: "empty" },
          { ...entry(2, 1), kind: "membership" },
          entry(3, 4, 5000),
        ];
        await store.append(appended(list), true);
        expect(store.last).toEqual({ term: 4, index: 3 });
        const slice = await store.read(1, ALL);
        expect(plain(slice.entries)).toEqual(plain(list));
      }));

    test("keeps no reference to the caller's bytes", () =>
      using(async ({ store }) => {
        const mine = entry(1, 1);
        await store.append(appended([mine]), true);
        mine.data.fill(0);
        expect((await store.read(1, ALL)).entries[0]!.data).toEqual(entry(1, 1).data);
      }));

    test("a slice names the entry before it and stops at maxBytes, with at least one", () =>
      using(async ({ store }) => {
        await store.append(appended([...entries(1, 2, 1, 100), ...entries(3, 9, 2, 100)]), true);
        const middle = await store.read(3, 250);
        expect(middle.prev).toEqual({ term: 1, index: 2 });
        expect(middle.entries.map(({ index }) => index)).toEqual([3, 4]);
        const one = await store.read(4, 0);
        expect(one.entries.map(({ index }) => index)).toEqual([4]);
        const exact = await store.read(8, 200);
        expect(exact.entries.map(({ index }) => index)).toEqual([8, 9]);
      }));

    test("beyond the end there is an empty slice after the last entry", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 3, 1)), true);
        const slice = { prev: { term: 1, index: 3 }, entries: [] };
        expect(await store.read(4, ALL)).toEqual(slice);
        expect(await store.read(9, ALL)).toEqual(slice);
      }));

    test("cuts and appends in one batch", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 9, 1)), true);
        await store.append({ truncateFrom: 4, entries: entries(4, 5, 2) }, true);
        expect(store.last).toEqual({ term: 2, index: 5 });
        const slice = await store.read(1, ALL);
        expect(plain(slice.entries)).toEqual(plain([...entries(1, 3, 1), ...entries(4, 5, 2)]));
      }));

    test("cuts without appending, down to nothing", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 5, 1)), true);
        await store.append({ truncateFrom: 3, entries: [] }, true);
        expect(store.last).toEqual({ term: 1, index: 2 });
        await store.append({ truncateFrom: 1, entries: [] }, true);
        expect(store.last).toEqual({ term: 0, index: 0 });
        await store.append(appended(entries(1, 2, 3)), true);
        expect(store.last).toEqual({ term: 3, index: 2 });
      }));

    test("index order is number order across 9/10, 255/256", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 300, 1, 1)), true);
        const slice = await store.read(1, ALL);
        expect(slice.entries.map(({ index }) => index)).toEqual(entries(1, 300, 1).map(index));
      }));

    test("appends not waited for are carried out in the order of the calls", () =>
      using(async ({ store }) => {
        const done: number[] = [];
        const calls = [
          store.append(appended(entries(1, 3, 1)), true).then(() => done.push(1)),
          store.append(appended(entries(4, 4, 1)), false).then(() => done.push(2)),
          store
            .append({ truncateFrom: 2, entries: entries(2, 6, 2) }, true)
            .then(() => done.push(3)),
          store.append(appended(entries(7, 7, 2)), true).then(() => done.push(4)),
          store.sync().then(() => done.push(5)),
        ];
        await Promise.all(calls);
        expect(done).toEqual([1, 2, 3, 4, 5]);
        expect(store.last).toEqual({ term: 2, index: 7 });
      }));

    test("a read at any moment of a cut sees the log before it or after it", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 50, 1)), true);
        const cut = store.append({ truncateFrom: 10, entries: entries(10, 12, 2) }, true);
        const reads: Promise<LogSlice>[] = [];
        for (let turn = 0; turn < 30; turn++) {
          // The loop stands still, so that the disk gets ahead of what the store has heard of.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
          reads.push(store.read(40, ALL), store.read(8, ALL));
          await new Promise(setImmediate);
        }
        await cut;
        for (const [ordinal, slice] of (await Promise.all(reads)).entries()) {
          expect(ordinal % 2 === 0 ? [0, 11] : [43, 5]).toContain(slice.entries.length);
        }
      }));

    test("refuses a gap, a falling term and a cut beyond the end", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 3, 5)), true);
        await expect(store.append(appended([entry(5, 5)]), true)).rejects.toThrow(/entry 5/);
        expect(store.last.index).toBe(3);
      }));

    test("refuses a falling term", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 3, 5)), true);
        await expect(store.append(appended([entry(4, 4)]), true)).rejects.toThrow(/entry 4/);
      }));

    test("refuses a cut beyond the end", () =>
      using(async ({ store }) => {
        await expect(store.append({ truncateFrom: 2, entries: [] }, true)).rejects.toThrow(/cut/);
      }));

    test("after close everything is refused", () =>
      using(async ({ store }) => {
        await store.close();
        await expect(store.append(appended([entry(1, 1)]), true)).rejects.toThrow(/closed/);
        await expect(store.read(1, ALL)).rejects.toThrow(/closed/);
      }));

    test("any sequence of appends and cuts leaves what a list would hold", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fc.nat(30), fc.nat(6), fc.boolean())), (steps) =>
          using(async (fixture) => {
            let store = fixture.store;
            let model: readonly Entry[] = [];
            let term = 1;
            for (const [cut, count, sync] of steps) {
              const isCut = cut < model.length;
              const from = isCut ? cut + 1 : model.length + 1;
              term += isCut ? 1 : 0;
              const list = entries(from, from + count - 1, term);
              await store.append({ truncateFrom: isCut ? from : undefined, entries: list }, sync);
              model = [...model.slice(0, from - 1), ...list];
              expect(store.last.index).toBe(model.length);
            }
            store = (await fixture.reopen?.()) ?? store;
            expect(plain((await store.read(1, ALL)).entries)).toEqual(plain(model));
          }),
        ),
        { numRuns: 25 },
      );
    });
  });
}

function index({ index }: Entry): number {
  return index;
}

/** Uint8Arrays as text, so that a failure is readable. */
export function plain(list: readonly Entry[]) {
  return list.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data).toString("hex") }));
}
