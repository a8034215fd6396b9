/**
 * The fault-injecting wrappers: the planned write fails, whether or not it took effect, and after
 * it nothing is acknowledged any more, however the calls overlap.
 */
import { describe, expect, test } from "vitest";
import { freshIdentity } from "../../../../test/conformance/identity-store.ts";
import { appended, entry } from "../../../../test/conformance/log-store.ts";
import { bytes, flushTexts } from "../../../../test/conformance/state-store.ts";
import {
  FaultPlan,
  FaultyIdentityStore,
  FaultyLogStore,
  FaultyStateStore,
} from "../../src/storage/faulty-stores.ts";
import { MemoryIdentityStore } from "../../src/storage/memory-identity-store.ts";
import { MemoryLogStore } from "../../src/storage/memory-log-store.ts";
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
});
