/**
 * What LevelStateStore promises beyond its port: damaged records throw instead of being absent, a
 * lost flush is noticed, its own records cannot be reached by the machine's keys, and it stops at
 * its first error.
 */
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { describe, expect, test } from "vitest";
import { bytes, flushTexts, markAt } from "../../../../test/conformance/state-store.ts";
import { FLUSHES_KEPT } from "../../src/storage/flush-record.ts";
import { flushKey, recordKey } from "../../src/storage/state-record.ts";
import { LevelStateStore, openStateStore } from "../../src/storage/state-store.ts";
import { StorageDamage, StorageFault, StorageStopped } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

type Level = ClassicLevel<Buffer, Buffer>;

function levelAt(path: string): Level {
  return new ClassicLevel(path, { keyEncoding: "buffer", valueEncoding: "buffer" });
}

async function changed(path: string, change: (level: Level) => Promise<void>): Promise<void> {
  const level = levelAt(path);
  await level.open({ createIfMissing: false });
  await change(level);
  await level.close();
}

/** A state after `flushes` flushes; flush n writes `key n` and `last`. */
async function stateAfter(flushes: number): Promise<string> {
  const path = join(await scratchDirectory(), "state-1");
  const state = await openStateStore(path, { mode: "create" });
  for (let applied = 1; applied <= flushes; applied++) {
    await flushTexts(state, applied, { [`key ${applied}`]: "v", last: String(applied) });
  }
  await state.close();
  return path;
}

test("the figures are LevelDB's own, as numbers", async () => {
  const state = await openStateStore(await stateAfter(3), { mode: "existing" });
  // What was in its journal is a table since it was opened.
  expect(await state.stats()).toEqual({
    memory_bytes: expect.any(Number),
    level_0_files: expect.any(Number),
    level_0_mb: expect.any(Number),
  });
  await state.close();
});

describe("records", () => {
  test("a changed value throws, everywhere, and the store stops", async () => {
    const path = await stateAfter(3);
    await changed(path, async (level) => {
      const value = (await level.get(recordKey(bytes("last"))))!;
      value[4]! ^= 1;
      await level.put(recordKey(bytes("last")), value);
    });
    const uses: readonly ((state: LevelStateStore) => Promise<unknown>)[] = [
      async (state) => state.get(bytes("last")),
      (state) => state.load(bytes("last")),
      (state) => state.scan({ gte: bytes("a"), lt: bytes("z") }, 10),
    ];
    for (const use of uses) {
      const state = await openStateStore(path, { mode: "existing" });
      expect(state.get(bytes("key 1"))).toEqual(bytes("v"));
      await expect(use(state)).rejects.toBeInstanceOf(StorageDamage);
      expect(() => state.get(bytes("key 1"))).toThrow(StorageStopped);
      await expect(flushTexts(state, 4, {})).rejects.toBeInstanceOf(StorageStopped);
      await state.close();
    }
  });

  test("a value under another record's key throws", async () => {
    const path = await stateAfter(3);
    await changed(path, async (level) => {
      const value = (await level.get(recordKey(bytes("key 1"))))!;
      await level.put(recordKey(bytes("key 2")), value);
      await level.put(recordKey(bytes("short")), value.subarray(0, 2));
    });
    const state = await openStateStore(path, { mode: "existing" });
    expect(() => state.get(bytes("key 2"))).toThrow(/fails its checksum/);
    await state.close();
    const again = await openStateStore(path, { mode: "existing" });
    expect(() => again.get(bytes("short"))).toThrow(/fails its checksum/);
    await again.close();
  });

  test("the machine's keys do not reach the store's own records", async () => {
    const path = await stateAfter(3);
    const state = await openStateStore(path, { mode: "existing" });
    expect(state.get(Uint8Array.from(flushKey(3)))).toBeUndefined();
    await state.flush(
      { applied: 4, writes: [{ key: Uint8Array.from(flushKey(4)), value: bytes("mine") }] },
      markAt(4),
    );
    await state.close();
    const after = await openStateStore(path, { mode: "existing" });
    expect(after.mark).toEqual(markAt(4));
    expect(after.get(Uint8Array.from(flushKey(4)))).toEqual(bytes("mine"));
    await after.close();
  });
});

describe("flush records", () => {
  const many = FLUSHES_KEPT + 20;

  test("the newest are kept, the others go", async () => {
    const path = await stateAfter(many);
    await changed(path, async (level) => {
      const kept = await level.keys({ lt: recordKey(new Uint8Array()) }).all();
      expect(kept).toEqual(
        Array.from({ length: FLUSHES_KEPT }, (_, at) => flushKey(many - FLUSHES_KEPT + 1 + at)),
      );
    });
    const state = await openStateStore(path, { mode: "existing" });
    expect(state.mark).toEqual(markAt(many));
    await state.close();
  });

  const losses: readonly (readonly [string, RegExp, (level: Level) => Promise<void>])[] = [
    ["one in the middle", /flush 50 is missing/, (level) => level.del(flushKey(50))],
    [
      "the oldest that is kept",
      /flush 21 is missing/,
      (level) => level.del(flushKey(many - FLUSHES_KEPT + 1)),
    ],
    [
      "one that should be gone is back",
      /is missing, flush 20 is there/,
      async (level) => level.put(flushKey(20), (await level.get(flushKey(21)))!),
    ],
    [
      "one is another's",
      /flush record 30 fails its checksum/,
      async (level) => level.put(flushKey(30), (await level.get(flushKey(31)))!),
    ],
    ["all", /there is no flush record/, (level) => level.clear({ lt: recordKey(bytes("")) })],
  ];

  test.each(losses)("lost: %s", async (_name, message, damage) => {
    const path = await stateAfter(many);
    await changed(path, damage);
    const opening = openStateStore(path, { mode: "existing" });
    await expect(opening).rejects.toBeInstanceOf(StorageDamage);
    // A foreign flush record has a checksum of its own number.
    await expect(opening).rejects.toThrow(_name.includes("back") ? /flush record 20/ : message);
  });

  test("records without any flush record are damage at a first start, too", async () => {
    const path = await stateAfter(2);
    await changed(path, (level) => level.clear({ lt: recordKey(bytes("")) }));
    await expect(openStateStore(path, { mode: "create" })).rejects.toBeInstanceOf(StorageDamage);
  });
});

test("after a failed flush nothing is read or written any more", async () => {
  const path = await stateAfter(1);
  const level = levelAt(path);
  await level.open();
  const state = new LevelStateStore(level, { sequence: 1, mark: markAt(1) });
  await level.close();
  await expect(flushTexts(state, 2, { a: "1" })).rejects.toBeInstanceOf(StorageFault);
  expect(state.mark).toEqual(markAt(1));
  await expect(flushTexts(state, 2, { a: "1" })).rejects.toBeInstanceOf(StorageStopped);
  await expect(state.load(bytes("last"))).rejects.toBeInstanceOf(StorageStopped);
  expect(() => state.get(bytes("last"))).toThrow(StorageStopped);
});
