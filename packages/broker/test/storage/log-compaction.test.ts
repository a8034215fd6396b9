/**
 * Dropping the front of the log on disk: whatever a crash leaves of it, the log begins at the old
 * base or at the new one and has no gap (I25), and what is left of old entries is never taken for
 * part of it. A crash in the middle of a reset leaves the log before it or an empty one.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import type { Entry } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { appended, entries, entry, plain } from "../../../../test/conformance/log-store.ts";
import type { LogBase, LogStore } from "../../src/ports.ts";
import { END_KEY } from "../../src/storage/end-marker.ts";
import { entryKey } from "../../src/storage/entry-record.ts";
import type { Level } from "../../src/storage/level.ts";
import { BASE_KEY, decodeBase, encodeBase } from "../../src/storage/log-base.ts";
import { LevelLogStore, openLogStore, recoverLog } from "../../src/storage/log-store.ts";
import { REMOVED_MAX } from "../../src/storage/log-writer.ts";
import { StorageDamage, StorageStopped } from "../../src/storage/storage-error.ts";
import { type CrashPlan, openCrashing } from "./crashing-level.ts";
import { scratchDirectory } from "./scratch.ts";

const ALL = 1 << 30;
const BASE: LogBase = { term: 9, index: 1200, chain: "0123456789abcdef" };
const LIST = [...entries(1, 1500, 1), ...entries(1501, 3500, 2)];

interface Crash {
  readonly path: string;
  /** Writes until the end or the crash. */
  readonly sizes: readonly number[];
  readonly failed: boolean;
}

/** A log of `LIST` on which `change` crashes by plan. */
async function crashed(
  plan: CrashPlan,
  change: (log: LogStore) => Promise<void>,
  before: (log: LogStore) => Promise<void> = async () => {},
): Promise<Crash> {
  const path = join(await scratchDirectory(), "log");
  const { level, arm, sizes } = await openCrashing(path);
  const log = new LevelLogStore(level, await recoverLog(level, "create"));
  await log.append(appended(LIST), true);
  await before(log);
  arm(plan);
  const failed = await change(log).then(
    () => false,
    () => true,
  );
  if (failed) {
    await expect(log.append(appended([]), true)).rejects.toBeInstanceOf(StorageStopped);
  }
  await log.close();
  return { path, sizes, failed };
}

async function reopened(path: string): Promise<LevelLogStore> {
  return await openLogStore(path, { mode: "existing" });
}

async function rest(log: LogStore): Promise<readonly Entry[]> {
  return (await log.read(log.base.index + 1, ALL)).entries;
}

async function keysOf(path: string): Promise<readonly number[]> {
  const level = levelAt(path);
  await level.open();
  const keys = await level.keys({ gte: entryKey(0) }).all();
  await level.close();
  return keys.map((key) => Number(key.readBigUInt64BE(1)));
}

function levelAt(path: string): Level {
  return new ClassicLevel(path, { keyEncoding: "buffer", valueEncoding: "buffer" });
}

/** The log is `LIST` behind `base`, can be appended to, and nothing else is left of it. */
async function expectSuffix(path: string, bases: readonly number[]): Promise<number> {
  const log = await reopened(path);
  const { index } = log.base;
  expect(bases).toContain(index);
  expect(plain(await rest(log))).toEqual(plain(LIST.slice(index)));
  expect(log.termAt(index)).toBe(index === 0 ? 0 : index <= 1500 ? 1 : 2);
  await log.append(appended([entry(3501, 3)]), true);
  await log.compact(index);
  await log.close();
  expect((await keysOf(path))[0]).toBe(index + 1);
  const again = await reopened(path);
  expect(again.base.index).toBe(index);
  expect(plain(await rest(again))).toEqual(plain([...LIST.slice(index), entry(3501, 3)]));
  await again.close();
  return index;
}

describe("a crash while compacting", () => {
  test("after any of its writes leaves the old base or the new one", async () => {
    const seen = new Set<number>();
    for (let writes = 0; ; writes++) {
      const { path, failed, sizes } = await crashed({ writes }, (log) => log.compact(2600));
      seen.add(await expectSuffix(path, [0, 2600]));
      if (!failed) {
        // The base, and three batches of removals.
        expect(sizes).toHaveLength(4);
        break;
      }
    }
    expect([...seen]).toEqual([0, 2600]);
  });

  test("of a log that was compacted before, and twice at once", async () => {
    const twice = async (log: LogStore) => {
      await Promise.all([log.compact(1700), log.compact(2900)]);
    };
    for (let writes = 0; writes <= 4; writes++) {
      const { path } = await crashed({ writes }, twice, (log) => log.compact(700));
      await expectSuffix(path, [700, 1700, 2900]);
    }
  });

  test("removals that were never synced may be lost, each on its own", async () => {
    for (let lost = 1; lost <= 3; lost++) {
      const { path } = await crashed({ writes: 99, lost: (write) => write === lost }, (log) =>
        log.compact(2600),
      );
      const log = await reopened(path);
      expect(log.base.index).toBe(2600);
      expect(plain(await rest(log))).toEqual(plain(LIST.slice(2600)));
      await log.close();
    }
  });
});

describe("a crash while resetting", () => {
  const bases: readonly (readonly [string, LogBase])[] = [
    ["to inside the log", BASE],
    ["to its end", { ...BASE, index: 3500 }],
    ["to beyond it", { ...BASE, index: 90_000 }],
    ["to its beginning", { ...BASE, index: 0, term: 0 }],
  ];

  test.each(bases)("%s, after any of its writes: the old log or an empty one", async (_, base) => {
    const seen = new Set<string>();
    for (let writes = 0; ; writes++) {
      const { path, failed } = await crashed({ writes }, (log) => log.reset(base));
      const log = await reopened(path);
      const isOld = log.last.index === 3500 && log.last.term === 2;
      seen.add(isOld ? "old" : "new");
      if (isOld) {
        expect(plain(await rest(log))).toEqual(plain(LIST));
        await log.close();
      } else {
        expect(log.last).toEqual({ term: base.term, index: base.index });
        expect(log.base).toEqual(log.last);
        const list = entries(base.index + 1, base.index + 3, 9);
        await log.append(appended(list), true);
        await log.close();
        // Nothing that stood behind the base has survived.
        const behind = (await keysOf(path)).filter((key) => key > base.index);
        expect(behind).toEqual(list.map(({ index }) => index));
        await (await reopened(path)).close();
      }
      if (!failed) {
        break;
      }
    }
    expect([...seen]).toEqual(["old", "new"]);
  });

  test("an append after it is never removed by what the record still names", async () => {
    // As if the last write of the reset, which ends the removal, had been lost.
    const { path } = await crashed({ writes: 99 }, async (log) => {
      await log.reset(BASE);
      await log.append(appended(entries(1201, 1300, 9)), true);
    });
    const level = levelAt(path);
    await level.open();
    const base = decodeBase((await level.get(BASE_KEY))!);
    expect(base).toMatchObject({ index: 1200 });
    const stale = { ...BASE, remains: { from: 1, to: 3500 } };
    await level.put(BASE_KEY, encodeBase(stale));
    await level.put(entryKey(3300), (await level.get(entryKey(1250)))!);
    await level.close();
    for (let start = 0; start < 2; start++) {
      const log = await reopened(path);
      expect(plain(await rest(log))).toEqual(plain(entries(1201, 1300, 9)));
      await log.compact(1200);
      await log.close();
    }
    expect((await keysOf(path)).at(-1)).toBe(1300);
  });

  test("in the middle of a compaction leaves no record of either", async () => {
    const { path } = await crashed({ writes: 99 }, async (log) => {
      const compacting = log.compact(3000);
      while (log.base.index === 0) {
        await new Promise(setImmediate);
      }
      await log.reset({ ...BASE, index: 90_000 });
      await compacting;
      await log.compact(90_000);
    });
    expect(await keysOf(path)).toEqual([]);
  });

  test("an old entry right behind the base is not taken for the log's", async () => {
    const { path } = await crashed({ writes: 1 }, (log) => log.reset(BASE));
    // All of the old entries are still there, whole and chained to one another.
    expect(await keysOf(path)).toHaveLength(3500);
    const log = await reopened(path);
    expect(log.last).toEqual({ term: 9, index: 1200 });
    expect(await rest(log)).toEqual([]);
    await log.close();
  });
});

describe("an append", () => {
  test("waits for one small batch of a compaction at most", async () => {
    const path = join(await scratchDirectory(), "log");
    const { level, arm, sizes } = await openCrashing(path);
    const log = new LevelLogStore(level, await recoverLog(level, "create"));
    await log.append(appended(entries(1, 12_000, 1, 1)), true);
    arm({ writes: Number.POSITIVE_INFINITY });
    const compacting = log.compact(11_000);
    const waited: number[] = [];
    for (let index = 12_001; index <= 12_008; index++) {
      const before = sizes.length;
      await log.append(appended([entry(index, 1)]), false);
      // Its own write, and at most the one that was under way.
      waited.push(sizes.length - before - 1);
    }
    await compacting;
    await log.close();
    expect(Math.max(...waited)).toBe(1);
    expect(Math.max(...sizes)).toBe(REMOVED_MAX + 1);
    expect(sizes.filter((size) => size > 2)).toHaveLength(11);
  });
});

describe("a compaction that cannot be", () => {
  test("fails with the write that fails before its turn", async () => {
    const { failed } = await crashed({ writes: 0 }, async (log) => {
      const append = log.append(appended([entry(3501, 3)]), true);
      const compacting = log.compact(3000);
      await expect(append).rejects.toThrow(/crashed/);
      await expect(compacting).rejects.toThrow(/crashed/);
      await append;
    });
    expect(failed).toBe(true);
  });

  test("is refused when a cut comes before its turn, and the log goes on", async () => {
    const { path, failed } = await crashed({ writes: 99 }, async (log) => {
      const cut = log.append({ truncateFrom: 2001, entries: [] }, true);
      await expect(log.compact(3000)).rejects.toThrow(/up to 3000 of 2000/);
      await cut;
      await log.compact(1900);
    });
    expect(failed).toBe(false);
    const log = await reopened(path);
    expect(plain(await rest(log))).toEqual(plain(LIST.slice(1900, 2000)));
    await log.close();
  });
});

test("closing does not wait for a compaction, which goes on at the next start", async () => {
  const { path } = await crashed({ writes: 99 }, async (log) => {
    const compacting = log.compact(3400);
    // The base is moved; the records are not removed yet.
    while (log.base.index === 0) {
      await new Promise(setImmediate);
    }
    await Promise.all([log.close(), compacting]);
    await expect(log.compact(3500)).rejects.toThrow(/closed/);
  });
  expect((await keysOf(path)).length).toBeGreaterThan(100);
  const log = await reopened(path);
  await log.compact(3400);
  await log.close();
  expect(await keysOf(path)).toHaveLength(100);
});

describe("damage", () => {
  async function compacted(): Promise<string> {
    return (await crashed({ writes: 99 }, (log) => log.compact(2600))).path;
  }

  async function changed(path: string, change: (level: Level) => Promise<void>): Promise<void> {
    const level = levelAt(path);
    await level.open();
    await change(level);
    await level.close();
  }

  const damages: readonly (readonly [string, RegExp, (level: Level) => Promise<void>])[] = [
    ["the base is gone", /entry 1 is missing, entry 2601/, (level) => level.del(BASE_KEY)],
    [
      "the base has another bit",
      /where the log begins fails its checksum/,
      async (level) => {
        const value = (await level.get(BASE_KEY))!;
        value[12]! ^= 1;
        await level.put(BASE_KEY, value);
      },
    ],
    [
      "the base is cut short",
      /where the log begins is cut short/,
      async (level) => level.put(BASE_KEY, (await level.get(BASE_KEY))!.subarray(0, 20)),
    ],
    [
      "an older base is back",
      /entry 2501 is missing, entry 2601/,
      (level) => level.put(BASE_KEY, encodeBase({ ...BASE, index: 2500, remains: undefined })),
    ],
    [
      "a newer base is there",
      /entry 2701 does not continue entry 2700/,
      (level) => level.put(BASE_KEY, encodeBase({ ...BASE, index: 2700, remains: undefined })),
    ],
    [
      "the base lies beyond the end",
      /ends at entry 3500, before it begins behind 4000/,
      (level) => level.put(BASE_KEY, encodeBase({ ...BASE, index: 4000, remains: undefined })),
    ],
    ["the first entry is gone", /entry 2601 is missing/, (level) => level.del(entryKey(2601))],
    ["the end is gone", /end marker is missing/, (level) => level.del(END_KEY)],
    ["all entries are gone", /end marker says 3500/, (level) => level.clear({ gte: entryKey(0) })],
    [
      "another record stands before the entries",
      /foreign record/,
      (level) => level.put(Buffer.from("\u0000x"), Buffer.from("?")),
    ],
  ];

  test.each(damages)("%s", async (_name, message, damage) => {
    const path = await compacted();
    await changed(path, damage);
    await expect(reopened(path)).rejects.toBeInstanceOf(StorageDamage);
    await expect(reopened(path)).rejects.toThrow(message);
  });
});

describe("what was cut away", () => {
  test("stays known over a compaction below it", async () => {
    const { path } = await crashed({ writes: 99 }, async (log) => {
      await log.append({ truncateFrom: 3400, entries: [entry(3400, 5)] }, true);
      await log.compact(3000);
      await log.append(appended([entry(3401, 5)]), true);
    });
    const log = await reopened(path);
    expect(log.dropped(entry(3450, 2))).toBe(true);
    expect(log.dropped(entry(3400, 5))).toBe(false);
    await log.close();
  });

  test("is forgotten when the log is reset", async () => {
    const { path } = await crashed({ writes: 99 }, async (log) => {
      await log.append({ truncateFrom: 3400, entries: [entry(3400, 5)] }, true);
      await log.reset({ ...BASE, index: 5000 });
    });
    const log = await reopened(path);
    expect(log.dropped(entry(3450, 2))).toBe(false);
    await log.close();
  });
});

test("the disk space of many compacted entries is given back", async () => {
  const path = join(await scratchDirectory(), "log");
  const open = await openCrashing(path);
  const scanned = await recoverLog(open.level, "create");
  const log = new LevelLogStore(open.level, scanned, 1 << 20);
  const data = Uint8Array.from({ length: 10_000 }, (_, at) => (at * 2_654_435_761) >>> 7);
  for (let index = 1; index <= 1500; index += 100) {
    const list = entries(index, index + 99, 1).map((each) => ({ ...each, data }));
    await log.append(appended(list), false);
  }
  const before = await bytesOf(path);
  expect(before).toBeGreaterThan(14 << 20);
  await log.compact(1490);
  await log.append(appended([entry(1501, 1)]), true);
  await log.close();
  expect(await bytesOf(path)).toBeLessThan(before / 4);
  const after = await reopened(path);
  expect(await rest(after)).toHaveLength(11);
  await after.close();
});

async function bytesOf(path: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(path)) {
    // LevelDB takes away a log that it has just turned into a table.
    bytes += await stat(join(path, name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}
