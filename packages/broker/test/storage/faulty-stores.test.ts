/**
 * The fault-injecting wrappers: the planned write fails, whether or not it took effect, and after
 * it nothing is acknowledged any more, however the calls overlap.
 */
import { describe, expect, test } from "vitest";
import { freshIdentity } from "../../../../test/conformance/identity-store.ts";
import { appended, entry } from "../../../../test/conformance/log-store.ts";
import { baseAt, rowsOf } from "../../../../test/conformance/state-directory.ts";
import { bytes, flushTexts, markAt } from "../../../../test/conformance/state-store.ts";
import {
  FaultPlan,
  FaultyIdentityStore,
  FaultyLogStore,
  FaultyStateDirectory,
  FaultyStateStore,
} from "../../src/storage/faulty-stores.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
import { MemoryStateDirectory } from "../../src/storage/memory-state-directory.ts";
import { MemoryStateStore } from "../../src/storage/memory-state-store.ts";
import { StorageFault, StorageStopped } from "../../src/storage/storage-error.ts";

describe.each(["lost", "kept"] as const)("the write is %s", (effect) => {
  test.each(["EIO", "ENOSPC"] as const)("log, %s", async (code) => {
    const inner = new MemoryLogStore();
    const log = new FaultyLogStore(inner, new FaultPlan({ at: 3, code, effect }));
    const calls = [1, 2, 3, 4, 5].map((index) => log.append(appended([entry(index, 1)]), true));
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
      "rejected",
    ]);
    await expect(calls[2]).rejects.toBeInstanceOf(StorageFault);
    await expect(calls[2]).rejects.toMatchObject({ cause: { code } });
    await expect(calls[4]).rejects.toBeInstanceOf(StorageStopped);
    expect(inner.last.index).toBe(effect === "kept" ? 3 : 2);
    await expect(log.read(1, 10)).rejects.toBeInstanceOf(StorageStopped);
    await expect(log.sync()).rejects.toBeInstanceOf(StorageStopped);
  });

  test("state", async () => {
    const inner = new MemoryStateStore();
    const state = new FaultyStateStore(inner, new FaultPlan({ at: 2, code: "EIO", effect }));
    await flushTexts(state, 1, { a: "1" });
    await expect(flushTexts(state, 2, { a: "2" })).rejects.toBeInstanceOf(StorageFault);
    expect(inner.get(bytes("a"))).toEqual(bytes(effect === "kept" ? "2" : "1"));
    expect(() => state.get(bytes("a"))).toThrow(StorageStopped);
    await expect(state.load(bytes("a"))).rejects.toBeInstanceOf(StorageStopped);
  });

  test("identity, counting over several stores", async () => {
    const plan = new FaultPlan({ at: 2, code: "ENOSPC", effect });
    const log = new FaultyLogStore(new MemoryLogStore(), plan);
    const inner = new MemoryIdentityStore(freshIdentity());
    const identity = new FaultyIdentityStore(inner, plan);
    await log.append(appended([entry(1, 1)]), true);
    await expect(identity.save({ boots: 1 })).rejects.toBeInstanceOf(StorageFault);
    await expect(identity.save({ boots: 2 })).rejects.toBeInstanceOf(StorageStopped);
    expect(inner.identity.boots).toBe(effect === "kept" ? 1 : 0);
    expect(plan.writes).toBe(2);
  });

  test("compacting and resetting the log", async () => {
    for (const [at, base] of [
      [2, { term: 1, index: 3 }],
      [3, { term: 3, index: 9 }],
    ] as const) {
      const inner = new MemoryLogStore();
      const log = new FaultyLogStore(inner, new FaultPlan({ at, code: "EIO", effect }));
      await log.append(appended([entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)]), true);
      const calls = [log.compact(3), log.reset(baseAt(9))];
      const results = (await Promise.allSettled(calls)).map(({ status }) => status);
      expect(results).toEqual([at === 2 ? "rejected" : "fulfilled", "rejected"]);
      await expect(calls[at - 2]).rejects.toBeInstanceOf(StorageFault);
      const before = at === 2 ? { term: 0, index: 0 } : { term: 1, index: 3 };
      expect(inner.base).toEqual(effect === "kept" ? base : before);
      await expect(log.chainAt(3)).rejects.toBeInstanceOf(StorageStopped);
      await expect(log.compact(3)).rejects.toBeInstanceOf(StorageStopped);
    }
  });

  test("each step of an installation", async () => {
    const steps = ["stage", "write", "finish", "install", "none"];
    for (const [ordinal, step] of steps.entries()) {
      const inner = new MemoryStateDirectory();
      const plan = new FaultPlan({ at: ordinal + 1, code: "ENOSPC", effect });
      const states = new FaultyStateDirectory(inner, plan);
      const done: string[] = [];
      const installing = (async () => {
        const staged = await states.stage();
        done.push("stage");
        await staged.write(rowsOf({ a: "new" }));
        done.push("write");
        await staged.finish(markAt(7));
        done.push("finish");
        await states.install(staged, baseAt(7));
        done.push("install");
      })();
      if (step === "none") {
        await installing;
      } else {
        await expect(installing).rejects.toMatchObject({ name: "StorageFault", operation: step });
        expect(() => states.live.get(bytes("a"))).toThrow(StorageStopped);
        await expect(states.stage()).rejects.toBeInstanceOf(StorageStopped);
        await expect(flushTexts(states.live, 9, {})).rejects.toBeInstanceOf(StorageStopped);
      }
      expect(done).toEqual(steps.slice(0, ordinal));
      const isNew = step === "none" || (step === "install" && effect === "kept");
      expect(inner.reopened().live.mark.applied).toBe(isNew ? 7 : 0);
      expect(inner.reopened().installed).toEqual(isNew ? baseAt(7) : undefined);
    }
  });
});

test("what the wrapped store refuses is passed on and stops nothing", async () => {
  const plan = new FaultPlan({ at: Number.POSITIVE_INFINITY, code: "EIO", effect: "lost" });
  const log = new FaultyLogStore(new MemoryLogStore(), plan);
  await expect(log.chainAt(5)).rejects.toBeInstanceOf(RangeError);
  await expect(log.compact(5)).rejects.toThrow(/up to 5 of 0/);
  await log.append(appended([entry(1, 1)]), true);
  const states = new FaultyStateDirectory(new MemoryStateDirectory(), plan);
  const staged = await states.stage();
  await expect(states.install(staged, baseAt(7))).rejects.toThrow(/not finished/);
  await staged.discard();
  await states.stage();
});
