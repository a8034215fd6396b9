/**
 * What every StateStore must do, whatever it stands on. Called by the tests of each implementation
 * with a way to make one; `reopen` is given where the store outlives its object.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FlushMark, StateStore } from "../../packages/broker/src/ports.ts";

export interface StateStoreFixture {
  readonly store: StateStore;
  /** Closes the store and opens it again. */
  readonly reopen?: () => Promise<StateStore>;
  dispose(): Promise<void>;
}

/** All records of the tests, which have short keys. */
const ALL = { gte: new Uint8Array(), lt: new Uint8Array(5).fill(255) };

export function markAt(applied: number): FlushMark {
  return {
    applied,
    logDurable: { term: 3, index: applied + 2 },
    membership: Uint8Array.from([1, 2, applied & 255]),
  };
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}

/** One flush of text records; null deletes. */
export async function flushTexts(
  store: StateStore,
  applied: number,
  records: Readonly<Record<string, string | null>>,
): Promise<void> {
  const writes = Object.entries(records).map(([key, value]) => ({
    key: bytes(key),
    value: value === null ? undefined : bytes(value),
  }));
  await store.flush({ applied, writes }, markAt(applied));
}

export function stateStoreConformance(name: string, make: () => Promise<StateStoreFixture>): void {
  async function using(body: (fixture: StateStoreFixture) => Promise<void>): Promise<void> {
    const fixture = await make();
    try {
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }

  describe(`${name} is a StateStore`, () => {
    test("a new state is empty and vouches for nothing", () =>
      using(async ({ store }) => {
        expect(store.mark.applied).toBe(0);
        expect(store.mark.logDurable).toEqual({ term: 0, index: 0 });
        expect(store.get(bytes("a"))).toBeUndefined();
        expect(await store.load(bytes("a"))).toBeUndefined();
        expect(await store.scan({ gte: bytes(""), lt: bytes("z") }, 10)).toEqual([]);
      }));

    test("get and load give the newest flushed value, empty ones too; undefined deletes", () =>
      using(async ({ store }) => {
        await flushTexts(store, 1, { a: "1", b: "2", empty: "" });
        await flushTexts(store, 2, { a: "one", b: null });
        expect(store.get(bytes("a"))).toEqual(bytes("one"));
        expect(await store.load(bytes("a"))).toEqual(bytes("one"));
        expect(store.get(bytes("b"))).toBeUndefined();
        expect(store.get(bytes("empty"))).toEqual(bytes(""));
      }));

    test("the mark moves with the flush, and survives", () =>
      using(async ({ store, reopen }) => {
        await flushTexts(store, 7, { a: "1" });
        expect(store.mark).toEqual(markAt(7));
        const after = (await reopen?.()) ?? store;
        expect(after.mark).toEqual(markAt(7));
        expect(after.get(bytes("a"))).toEqual(bytes("1"));
      }));

    test("a flush without records moves the mark", () =>
      using(async ({ store }) => {
        await flushTexts(store, 9, {});
        expect(store.mark.applied).toBe(9);
      }));

    test("keeps no reference to the caller's bytes", () =>
      using(async ({ store }) => {
        const value = bytes("mine");
        const membership = bytes("m");
        const mark = { ...markAt(1), membership };
        await store.flush({ applied: 1, writes: [{ key: bytes("k"), value }] }, mark);
        value.fill(0);
        membership.fill(0);
        expect(store.get(bytes("k"))).toEqual(bytes("mine"));
        expect(store.mark.membership).toEqual(bytes("m"));
      }));

    test("scans in byte order within bounds, both ways, up to the limit", () =>
      using(async ({ store }) => {
        await flushTexts(store, 1, { b: "2", a: "1", c: "3", ca: "4", d: "5" });
        const range = { gte: bytes("b"), lt: bytes("d") };
        expect(texts(await store.scan(range, 10))).toEqual(["b=2", "c=3", "ca=4"]);
        expect(texts(await store.scan(range, 2))).toEqual(["b=2", "c=3"]);
        const backwards = await store.scan({ ...range, reverse: true }, 2);
        expect(texts(backwards)).toEqual(["ca=4", "c=3"]);
        expect(await store.scan(range, 0)).toEqual([]);
      }));

    test("keys of any bytes, in byte order", () =>
      using(async ({ store }) => {
        const keys = [[], [0], [0, 0], [0, 1], [1], [127], [128], [255], [255, 255]];
        const writes = keys.map((key) => ({ key: Uint8Array.from(key), value: bytes("v") }));
        await store.flush({ applied: 1, writes: writes.toReversed() }, markAt(1));
        const range = { gte: Uint8Array.from([]), lt: Uint8Array.from([255, 255, 1]) };
        const found = await store.scan(range, 100);
        expect(found.map(([key]) => [...key])).toEqual(keys);
      }));

    test("a second flush while one runs is refused and changes nothing", () =>
      using(async ({ store }) => {
        const first = flushTexts(store, 1, { a: "1" });
        await expect(flushTexts(store, 2, { a: "2" })).rejects.toThrow(/already running/);
        await first;
        expect(store.get(bytes("a"))).toEqual(bytes("1"));
        await flushTexts(store, 2, { a: "3" });
        expect(store.get(bytes("a"))).toEqual(bytes("3"));
      }));

    test("refuses a flush that goes back or does not fit its mark", () =>
      using(async ({ store }) => {
        await flushTexts(store, 5, { a: "1" });
        await expect(flushTexts(store, 4, { a: "2" })).rejects.toThrow(/goes back/);
        const odd = store.flush({ applied: 6, writes: [] }, markAt(7));
        await expect(odd).rejects.toThrow(/mark of 7/);
      }));

    test("a view shows one flush, whatever comes after it", () =>
      using(async ({ store }) => {
        await flushTexts(store, 1, { a: "1", b: "2" });
        const view = await store.view();
        await flushTexts(store, 2, { a: "one", b: null, c: "3" });
        expect(view.mark).toEqual(markAt(1));
        expect(texts(await view.scan(ALL, 10))).toEqual(["a=1", "b=2"]);
        expect(texts(await view.scan({ ...ALL, reverse: true }, 1))).toEqual(["b=2"]);
        const newer = await store.view();
        expect(newer.mark).toEqual(markAt(2));
        expect(texts(await newer.scan(ALL, 10))).toEqual(["a=one", "c=3"]);
        await view.close();
        await view.close();
        await expect(view.scan(ALL, 10)).rejects.toThrow(/view of the state is closed/);
        expect(texts(await newer.scan(ALL, 10))).toEqual(["a=one", "c=3"]);
        await newer.close();
      }));

    test("a view asked for during a flush is that of a completed one, mark and records", () =>
      using(async ({ store }) => {
        await flushTexts(store, 1, { a: "1" });
        for (let applied = 2; applied <= 20; applied += 2) {
          const flushed = flushTexts(store, applied, { a: String(applied) });
          const asked = [store.view(), Promise.resolve().then(() => store.view())];
          await flushed;
          const next = flushTexts(store, applied + 1, { a: "x" });
          for (const view of await Promise.all(asked)) {
            expect(view.mark).toEqual(markAt(applied));
            expect(texts(await view.scan(ALL, 10))).toEqual([`a=${applied}`]);
            await view.close();
          }
          await next;
        }
      }));

    test("refuses more views than its limit, and counts only open ones", () =>
      using(async ({ store }) => {
        for (let round = 0; round < 40; round++) {
          await (await store.view()).close();
        }
        const views = await Promise.all(Array.from({ length: 16 }, () => store.view()));
        await expect(store.view()).rejects.toThrow(/at most 16 views/);
        await views[0]!.close();
        await (await store.view()).close();
      }));

    test("close lets reads under way finish and turns later ones away", () =>
      using(async ({ store }) => {
        await flushTexts(store, 1, { a: "1", b: "2" });
        const view = await store.view();
        const under = [store.load(bytes("a")), store.scan(ALL, 10), view.scan(ALL, 10)] as const;
        const closed = store.close();
        expect(() => store.get(bytes("a"))).toThrow(/state is closed/);
        await expect(store.load(bytes("a"))).rejects.toThrow(/state is closed/);
        await expect(store.scan(ALL, 10)).rejects.toThrow(/state is closed/);
        await expect(store.view()).rejects.toThrow(/state is closed/);
        await expect(view.scan(ALL, 10)).rejects.toThrow(/state is closed/);
        await expect(flushTexts(store, 2, {})).rejects.toThrow(/state is closed/);
        expect(await under[0]).toEqual(bytes("1"));
        expect(texts(await under[1])).toEqual(["a=1", "b=2"]);
        expect(texts(await under[2])).toEqual(["a=1", "b=2"]);
        await closed;
        await store.close();
        await view.close();
      }));

    test("compacting changes nothing of what is there", () =>
      using(async ({ store, reopen }) => {
        const key = (n: number) => Uint8Array.of(n % 0x80, 0xff, 0xff, n);
        const all = Array.from({ length: 200 }, (_, n) => ({ key: key(n), value: key(n) }));
        await store.flush({ applied: 1, writes: all }, markAt(1));
        const removed = all.filter((_, n) => n % 2 === 0);
        const writes = removed.map((each) => ({ ...each, value: undefined }));
        await store.flush({ applied: 2, writes }, markAt(2));
        const { beforeBytes, afterBytes } = await store.compact();
        expect(beforeBytes).toBeGreaterThanOrEqual(0);
        expect(afterBytes).toBeGreaterThanOrEqual(0);
        const range = { gte: new Uint8Array(), lt: new Uint8Array(5).fill(255) };
        const found = await ((await reopen?.()) ?? store).scan(range, 1000);
        expect(found).toHaveLength(100);
        expect(found.every(([, value]) => value[3]! % 2 === 1)).toBe(true);
      }));

    test("any sequence of flushes leaves what a map would hold", async () => {
      const write = fc.record({
        key: fc.uint8Array({ maxLength: 4 }),
        value: fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(write, { maxLength: 8 }), { maxLength: 8 }), (flushes) =>
          using(async (fixture) => {
            const model = new Map<string, string>();
            for (const [ordinal, writes] of flushes.entries()) {
              const applied = ordinal + 1;
              await fixture.store.flush({ applied, writes }, markAt(applied));
              for (const { key, value } of writes) {
                if (value === undefined) {
                  model.delete(hex(key));
                } else {
                  model.set(hex(key), hex(value));
                }
              }
            }
            const store = (await fixture.reopen?.()) ?? fixture.store;
            const range = { gte: new Uint8Array(), lt: new Uint8Array(5).fill(255) };
            const found = await store.scan(range, 1000);
            const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
            expect(found.map(([key, value]) => [hex(key), hex(value)])).toEqual(sorted);
          }),
        ),
        { numRuns: 25 },
      );
    });
  });
}

export function texts(rows: readonly (readonly [Uint8Array, Uint8Array])[]): readonly string[] {
  return rows.map(([key, value]) => `${Buffer.from(key)}=${Buffer.from(value)}`);
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString("hex");
}
