/**
 * What every LogStore must do when its front is dropped, by compaction or by a snapshot. Called by
 * the tests of each implementation with a way to make one; `reopen` is given where the store
 * outlives its object.
 */
import fc from "fast-check";
import type { Entry } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import type { LogBase, LogSlice, LogStore } from "../../packages/broker/src/ports.ts";
import { appended, entries, entry, type LogStoreFixture, plain } from "./log-store.ts";

const ALL = 1 << 30;
const CHAIN = "0123456789abcdef";

export function logBaseConformance(name: string, make: () => Promise<LogStoreFixture>): void {
  async function using(body: (fixture: LogStoreFixture) => Promise<void>): Promise<void> {
    const fixture = await make();
    try {
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }

  describe(`${name} compacts`, () => {
    test("the front goes, the rest stays, and that survives", () =>
      using(async ({ store, reopen }) => {
        const list = [...entries(1, 6, 1), ...entries(7, 10, 2)];
        await store.append(appended(list), true);
        await store.compact(7);
        const expectRest = async (log: LogStore) => {
          expect(log.base).toEqual({ term: 2, index: 7 });
          expect(log.last).toEqual({ term: 2, index: 10 });
          const slice = await log.read(8, ALL);
          expect(slice.prev).toEqual({ term: 2, index: 7 });
          expect(plain(slice.entries)).toEqual(plain(list.slice(7)));
        };
        await expectRest(store);
        await expectRest((await reopen?.()) ?? store);
      }));

    test("a read of what is gone is answered with the base", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 10, 1)), true);
        await store.compact(7);
        const gone = { prev: { term: 1, index: 7 }, entries: [] };
        expect(await store.read(1, ALL)).toEqual(gone);
        expect(await store.read(7, ALL)).toEqual(gone);
      }));

    test("everything, and goes on", () =>
      using(async ({ store, reopen }) => {
        await store.append(appended(entries(1, 10, 3)), true);
        await store.compact(10);
        expect(store.last).toEqual({ term: 3, index: 10 });
        expect(store.base).toEqual({ term: 3, index: 10 });
        await store.append(appended(entries(11, 12, 4)), true);
        const log = (await reopen?.()) ?? store;
        const slice = await log.read(11, ALL);
        expect(slice.prev).toEqual({ term: 3, index: 10 });
        expect(plain(slice.entries)).toEqual(plain(entries(11, 12, 4)));
      }));

    test("what is gone already is done at once and changes nothing", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 10, 1)), true);
        await store.compact(7);
        await store.compact(7);
        await store.compact(0);
        await store.compact(3);
        expect(store.base.index).toBe(7);
      }));

    test("refuses to go beyond the end", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 10, 1)), true);
        await expect(store.compact(11)).rejects.toThrow(/up to 11 of 10/);
        expect(store.base.index).toBe(0);
        await store.append(appended(entries(11, 11, 1)), true);
      }));

    test("calls at once, and appends and reads between them", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 5000, 1)), true);
        const calls = [
          store.compact(1000),
          store.append(appended(entries(5001, 5001, 1)), true),
          store.compact(4000),
          store.compact(2500),
          store.append({ truncateFrom: 4999, entries: entries(4999, 5001, 2) }, true),
        ];
        const early = await store.read(3999, 20);
        expect([0, 2]).toContain(early.entries.length);
        await Promise.all(calls);
        expect(store.base).toEqual({ term: 1, index: 4000 });
        const slice = await store.read(4001, ALL);
        expect(slice.entries).toHaveLength(1001);
        expect(slice.entries[998]).toMatchObject({ index: 4999, term: 2 });
      }));

    test("a read at any moment of it gives whole slices, or the base", () =>
      using(async ({ store }) => {
        const list = entries(1, 4000, 1, 50);
        await store.append(appended(list), true);
        let done = false;
        const compacting = (async () => {
          for (let upTo = 500; upTo <= 3500; upTo += 500) {
            await store.compact(upTo);
          }
          done = true;
        })();
        let reads = 0;
        while (!done || reads < 50) {
          const from = 1 + ((reads * 617) % 3900);
          const slice = await store.read(from, 5000);
          if (slice.prev.index === from - 1) {
            expect(slice.entries).toHaveLength(100);
            expect(slice.entries[0]!.index).toBe(from);
          } else {
            expect(slice.entries).toEqual([]);
            expect(slice.prev.index).toBeGreaterThanOrEqual(from);
            expect(slice.prev.index % 500).toBe(0);
          }
          reads += 1;
        }
        await compacting;
      }));

    test("a cut reaches down to the base, not below", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 10, 1)), true);
        await store.compact(5);
        await store.append({ truncateFrom: 6, entries: [] }, true);
        expect(store.last).toEqual({ term: 1, index: 5 });
        await expect(store.append({ truncateFrom: 5, entries: [] }, true)).rejects.toThrow(/cut/);
      }));

    test("bytes follow, roughly", () =>
      using(async ({ store, reopen }) => {
        await store.append(appended(entries(1, 3000, 1, 100)), true);
        expect(store.bytes).toBe(300_000);
        await store.compact(1500);
        const near = (bytes: number) => {
          expect(bytes).toBeGreaterThan(145_000);
          expect(bytes).toBeLessThan(155_000);
        };
        near(store.bytes);
        const log = (await reopen?.()) ?? store;
        near(log.bytes);
        await log.append({ truncateFrom: 1501, entries: [] }, true);
        expect(log.bytes).toBe(0);
      }));
  });

  describe(`${name} is reset`, () => {
    const base: LogBase = { term: 7, index: 100, chain: CHAIN };

    async function expectBase(store: LogStore, at: LogBase): Promise<void> {
      const id = { term: at.term, index: at.index };
      expect(store.base).toEqual(id);
      expect(store.last).toEqual(id);
      expect(store.bytes).toBe(0);
      expect(await store.read(at.index + 1, ALL)).toEqual({ prev: id, entries: [] });
      expect(await store.read(1, ALL)).toEqual({ prev: id, entries: [] });
      expect(await store.chainAt(at.index)).toBe(at.chain);
    }

    test.each([
      ["empty", []],
      ["shorter", entries(1, 40, 2)],
      ["as long", entries(1, 100, 2)],
      ["longer", entries(1, 3200, 2)],
    ] as const)("when it is %s: all is gone, and it goes on from there", (_name, list) =>
      using(async ({ store, reopen }) => {
        await store.append(appended(list), true);
        await store.reset(base);
        await expectBase(store, base);
        const log = (await reopen?.()) ?? store;
        await expectBase(log, base);
        await log.append(appended(entries(101, 105, 8)), true);
        const again = (await reopen?.()) ?? log;
        const slice = await again.read(101, ALL);
        expect(slice.prev).toEqual({ term: 7, index: 100 });
        expect(plain(slice.entries)).toEqual(plain(entries(101, 105, 8)));
      }),
    );

    test("appends that wait behind it follow the base", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 2500, 2)), true);
        await Promise.all([
          store.append(appended(entries(2501, 2501, 2)), false),
          store.reset(base),
          store.append(appended(entries(101, 102, 8)), true),
        ]);
        expect(store.last).toEqual({ term: 8, index: 102 });
        expect((await store.read(101, ALL)).entries).toHaveLength(2);
      }));

    test("in the middle of a compaction", () =>
      using(async ({ store, reopen }) => {
        await store.append(appended(entries(1, 3500, 2)), true);
        const compacting = store.compact(3000);
        await store.reset({ ...base, index: 4000 });
        await compacting;
        await expectBase((await reopen?.()) ?? store, { ...base, index: 4000 });
      }));

    test("a read at any moment of it sees the log before it or the empty one after it", () =>
      using(async ({ store }) => {
        await store.append(appended(entries(1, 120, 2)), true);
        const resetting = store.reset(base);
        const reads: Promise<LogSlice>[] = [];
        for (let turn = 0; turn < 30; turn++) {
          // The loop stands still, so that the disk gets ahead of what the store has heard of.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
          reads.push(store.read(61, ALL), store.read(111, ALL));
          await new Promise(setImmediate);
        }
        await resetting;
        for (const [ordinal, slice] of (await Promise.all(reads)).entries()) {
          expect(ordinal % 2 === 0 ? [60, 0] : [10, 0]).toContain(slice.entries.length);
        }
      }));

    test("to before its own base", () =>
      using(async ({ store, reopen }) => {
        await store.append(appended(entries(1, 2500, 2)), true);
        await store.compact(1200);
        await store.reset(base);
        await store.append(appended(entries(101, 102, 8)), true);
        const log = (await reopen?.()) ?? store;
        expect((await log.read(101, ALL)).entries).toHaveLength(2);
        expect(log.last).toEqual({ term: 8, index: 102 });
      }));

    test("refuses a base that no log can have", () =>
      using(async ({ store }) => {
        await expect(store.reset({ ...base, chain: "?" })).rejects.toThrow(/chain hash/);
        await expect(store.reset({ ...base, index: -1 })).rejects.toThrow(/log base -1/);
        expect(store.base.index).toBe(0);
      }));
  });

  describe(`${name} knows its chain`, () => {
    test("at every entry, the base included", () =>
      using(async ({ store, reopen }) => {
        await store.append(appended(entries(1, 20, 1)), true);
        const chains: string[] = [];
        for (let index = 0; index <= 20; index++) {
          chains.push(await store.chainAt(index));
        }
        expect(new Set(chains).size).toBe(21);
        await store.compact(7);
        const log = (await reopen?.()) ?? store;
        expect(await log.chainAt(7)).toBe(chains[7]);
        expect(await log.chainAt(8)).toBe(chains[8]);
        expect(await log.chainAt(20)).toBe(chains[20]);
        await expect(log.chainAt(6)).rejects.toThrow(/chain of entry 6 of 7..20/);
        await expect(log.chainAt(21)).rejects.toThrow(/chain of entry 21/);
      }));

    test("and goes on with another node's after a reset to it", () =>
      using(async ({ store: other }) =>
        using(async ({ store, reopen }) => {
          await other.append(appended(entries(1, 20, 1)), true);
          await store.append(appended([entry(1, 1, 99), ...entries(2, 6, 1)]), true);
          await store.reset({ term: 1, index: 15, chain: await other.chainAt(15) });
          await store.append(appended(entries(16, 20, 1)), true);
          const log = (await reopen?.()) ?? store;
          for (let index = 15; index <= 20; index++) {
            expect(await log.chainAt(index)).toBe(await other.chainAt(index));
          }
        }),
      ));
  });

  test(`${name}: any sequence of changes leaves what a list would hold`, async () => {
    const step = fc.tuple(fc.constantFrom("append", "cut", "compact", "reset"), fc.nat(30));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) =>
        using(async (fixture) => {
          let store = fixture.store;
          let base = { term: 0, index: 0 };
          let model: readonly Entry[] = [];
          let term = 1;
          const last = () => model.at(-1) ?? base;
          for (const [kind, amount] of steps) {
            if (kind === "append") {
              const list = entries(last().index + 1, last().index + amount, term);
              await store.append(appended(list), amount % 2 === 0);
              model = [...model, ...list];
            } else if (kind === "cut") {
              const kept = Math.min(amount, model.length);
              term += 1;
              await store.append({ truncateFrom: base.index + kept + 1, entries: [] }, true);
              model = model.slice(0, kept);
            } else if (kind === "compact") {
              const count = Math.min(amount, model.length);
              const upTo = base.index + count;
              await store.compact(upTo);
              base = count === 0 ? base : { term: model[count - 1]!.term, index: upTo };
              model = model.slice(count);
            } else {
              term += 1;
              base = { term, index: base.index + amount };
              await store.reset({ ...base, chain: CHAIN });
              model = [];
            }
            const { term: lastTerm, index } = last();
            expect(store.last).toEqual({ term: lastTerm, index });
            if (amount === 7) {
              store = (await fixture.reopen?.()) ?? store;
            }
          }
          store = (await fixture.reopen?.()) ?? store;
          expect(store.base).toEqual(base);
          expect(plain((await store.read(base.index + 1, ALL)).entries)).toEqual(plain(model));
        }),
      ),
      { numRuns: 25 },
    );
  });
}
