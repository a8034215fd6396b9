/**
 * What every StateDirectory must do, whatever it stands on. Called by the tests of each
 * implementation with a way to make one; `reopen` stands for a restart, at any step.
 */
import { describe, expect, test } from "vitest";
import type {
  LogBase,
  StagedState,
  StateDirectory,
  StateRow,
} from "../../packages/broker/src/ports.ts";
import { bytes, flushTexts, markAt, texts } from "./state-store.ts";

export interface StateDirectoryFixture {
  readonly states: StateDirectory;
  readonly reopen?: () => Promise<StateDirectory & { readonly installed: LogBase | undefined }>;
  dispose(): Promise<void>;
}

const ALL = { gte: new Uint8Array(), lt: new Uint8Array(5).fill(255) };

export function baseAt(index: number): LogBase {
  return { index, term: 3, chain: "00112233445566aa" };
}

export function rowsOf(records: Readonly<Record<string, string>>): readonly StateRow[] {
  return Object.entries(records).map(([key, value]): StateRow => [bytes(key), bytes(value)]);
}

/** A finished state after entry `applied`. */
export async function staged(states: StateDirectory, applied: number): Promise<StagedState> {
  const state = await states.stage();
  await state.write(rowsOf({ a: `new ${applied}` }));
  await state.write(rowsOf({ b: "too" }));
  await state.finish(markAt(applied));
  return state;
}

export function stateDirectoryConformance(
  name: string,
  make: () => Promise<StateDirectoryFixture>,
): void {
  async function using(body: (fixture: StateDirectoryFixture) => Promise<void>): Promise<void> {
    const fixture = await make();
    try {
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }

  describe(`${name} is a StateDirectory`, () => {
    test("begins with an empty live state", () =>
      using(async ({ states }) => {
        expect(states.live.mark.applied).toBe(0);
        expect(await states.live.scan(ALL, 10)).toEqual([]);
        expect(states.live).toBe(states.live);
      }));

    test("nothing of what is staged shows before it is installed, then all of it does", () =>
      using(async ({ states }) => {
        await flushTexts(states.live, 5, { a: "old", c: "old" });
        const state = await staged(states, 100);
        expect(states.live.mark).toEqual(markAt(5));
        expect(texts(await states.live.scan(ALL, 10))).toEqual(["a=old", "c=old"]);
        await states.install(state, baseAt(100));
        expect(states.live.mark).toEqual(markAt(100));
        expect(texts(await states.live.scan(ALL, 10))).toEqual(["a=new 100", "b=too"]);
      }));

    test("a finished state can be read and flushed to, before and after it is installed", () =>
      using(async ({ states, reopen }) => {
        const state = await states.stage();
        await state.write(rowsOf({ a: "1", b: "2" }));
        const store = await state.finish(markAt(100));
        expect(store.mark).toEqual(markAt(100));
        expect(store.get(bytes("a"))).toEqual(bytes("1"));
        await flushTexts(store, 101, { b: null });
        await states.install(state, baseAt(100));
        expect(states.live).toBe(store);
        await flushTexts(states.live, 102, { c: "3" });
        const after = (await reopen?.()) ?? states;
        expect(after.live.mark).toEqual(markAt(102));
        expect(texts(await after.live.scan(ALL, 10))).toEqual(["a=1", "c=3"]);
      }));

    test("an installed state survives, with the base of the log, again and again", () =>
      using(async ({ states, reopen }) => {
        let directory = states;
        for (const applied of [9, 10, 100]) {
          await directory.install(await staged(directory, applied), baseAt(applied));
          const after = await reopen?.();
          expect(after?.installed ?? baseAt(applied)).toEqual(baseAt(applied));
          directory = after ?? directory;
          expect(directory.live.mark).toEqual(markAt(applied));
          expect(directory.live.get(bytes("a"))).toEqual(bytes(`new ${applied}`));
        }
      }));

    test("a restart before the installation finds the old state", () =>
      using(async ({ states, reopen }) => {
        await flushTexts(states.live, 5, { a: "old" });
        const state = await states.stage();
        await state.write(rowsOf({ a: "new" }));
        const unfinished = (await reopen?.()) ?? states;
        expect(unfinished.live.get(bytes("a"))).toEqual(bytes("old"));
        await staged(unfinished, 100);
        const finished = (await reopen?.()) ?? unfinished;
        expect(finished.live.get(bytes("a"))).toEqual(bytes("old"));
        expect(finished.live.mark).toEqual(markAt(5));
      }));

    test("the former state finishes its reads and turns later ones away", () =>
      using(async ({ states }) => {
        const former = states.live;
        await flushTexts(former, 5, { a: "old" });
        const view = await former.view();
        const state = await staged(states, 100);
        const under = [former.load(bytes("a")), view.scan(ALL, 10)] as const;
        await states.install(state, baseAt(100));
        expect(await under[0]).toEqual(bytes("old"));
        expect(texts(await under[1])).toEqual(["a=old"]);
        expect(() => former.get(bytes("a"))).toThrow(/closed/);
        await expect(former.load(bytes("a"))).rejects.toThrow(/closed/);
        await expect(view.scan(ALL, 10)).rejects.toThrow(/closed/);
        await expect(former.view()).rejects.toThrow(/closed/);
        await expect(flushTexts(former, 6, {})).rejects.toThrow(/closed/);
        await view.close();
      }));

    test("staging again drops what was staged before", () =>
      using(async ({ states }) => {
        const first = await states.stage();
        await first.write(rowsOf({ x: "first" }));
        const second = await states.stage();
        await expect(first.write(rowsOf({ x: "late" }))).rejects.toThrow(/closed/);
        await expect(states.install(first, baseAt(7))).rejects.toThrow(/staged last/);
        await second.write(rowsOf({ a: "second" }));
        await second.finish(markAt(7));
        await states.install(second, baseAt(7));
        expect(texts(await states.live.scan(ALL, 10))).toEqual(["a=second"]);
      }));

    test("what is discarded is gone, and another can be staged", () =>
      using(async ({ states, reopen }) => {
        const state = await staged(states, 7);
        await state.discard();
        await state.discard();
        await expect(states.install(state, baseAt(7))).rejects.toThrow(/discarded/);
        const next = await staged(states, 8);
        await states.install(next, baseAt(8));
        await expect(next.discard()).rejects.toThrow(/installed/);
        const after = (await reopen?.()) ?? states;
        expect(after.live.mark).toEqual(markAt(8));
      }));

    test("refuses to install what does not fit, and changes nothing", () =>
      using(async ({ states }) => {
        const state = await states.stage();
        await expect(states.install(state, baseAt(7))).rejects.toThrow(/not finished/);
        await state.finish(markAt(7));
        await expect(states.install(state, baseAt(8))).rejects.toThrow(/after 8/);
        const torn = { ...baseAt(7), chain: "abc" };
        await expect(states.install(state, torn)).rejects.toThrow(/chain hash/);
        await expect(state.finish(markAt(7))).rejects.toThrow(/finished/);
        await expect(state.write(rowsOf({ a: "late" }))).rejects.toThrow(/finished/);
        expect(states.live.mark.applied).toBe(0);
        await states.install(state, baseAt(7));
        expect(states.live.mark).toEqual(markAt(7));
      }));

    test("keeps no reference to the caller's bytes", () =>
      using(async ({ states }) => {
        const state = await states.stage();
        const value = bytes("mine");
        const membership = bytes("m");
        await state.write([[bytes("k"), value]]);
        await state.finish({ ...markAt(7), membership });
        value.fill(0);
        membership.fill(0);
        await states.install(state, baseAt(7));
        expect(states.live.get(bytes("k"))).toEqual(bytes("mine"));
        expect(states.live.mark.membership).toEqual(bytes("m"));
      }));
  });
}
