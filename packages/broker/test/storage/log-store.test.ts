/**
 * What LevelLogStore promises beyond its port: it notices every way in which the records on disk
 * can be other than what was appended, knows what was cut away, and stops at its first error.
 * Records are changed through LevelDB itself here; damage to files is in damage.test.ts.
 */
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import type { Entry } from "task-queue-raft";
import { describe, expect, test } from "vitest";
import { appended, entries, entry } from "../../../../test/conformance/log-store.ts";
import { EMPTY_END, END_KEY } from "../../src/storage/end-marker.ts";
import { entryKey } from "../../src/storage/entry-record.ts";
import { FIRST_BASE } from "../../src/storage/log-base.ts";
import { emptyLog } from "../../src/storage/log-scan.ts";
import { LevelLogStore, openLogStore } from "../../src/storage/log-store.ts";
import { StorageDamage, StorageFault, StorageStopped } from "../../src/storage/storage-error.ts";
import { TermRuns } from "../../src/storage/term-runs.ts";
import { scratchDirectory } from "./scratch.ts";

type Level = ClassicLevel<Buffer, Buffer>;

/** A log of ten entries in terms 1 and 2, closed. */
async function tenEntries(): Promise<string> {
  const path = join(await scratchDirectory(), "log");
  const log = await openLogStore(path, { mode: "create" });
  await log.append(appended(entries(1, 6, 1)), true);
  await log.append(appended(entries(7, 10, 2)), true);
  await log.close();
  return path;
}

async function changed(path: string, change: (level: Level) => Promise<void>): Promise<void> {
  const level = levelAt(path);
  await level.open({ createIfMissing: false });
  await change(level);
  await level.close();
}

async function reopened(path: string) {
  return await openLogStore(path, { mode: "existing" });
}

describe("boot check", () => {
  const damages: readonly (readonly [string, RegExp, (level: Level) => Promise<void>])[] = [
    ["an entry in the middle is missing", /entry 5 is missing/, (level) => level.del(entryKey(5))],
    ["the first entry is missing", /entry 1 is missing/, (level) => level.del(entryKey(1))],
    ["the last entry is missing", /end marker says 10/, (level) => level.del(entryKey(10))],
    ["the end marker is missing", /end marker is missing/, (level) => level.del(END_KEY)],
    [
      "a byte of the data is another",
      /entry 4 fails its checksum/,
      async (level) => {
        const value = (await level.get(entryKey(4)))!;
        value[value.length - 1]! ^= 1;
        await level.put(entryKey(4), value);
      },
    ],
    [
      "a value is cut short",
      /entry 4 is cut short/,
      async (level) => level.put(entryKey(4), (await level.get(entryKey(4)))!.subarray(0, 12)),
    ],
    [
      "a format version is unknown",
      /entry 4 has the unknown format version 9/,
      async (level) => {
        const value = (await level.get(entryKey(4)))!;
        value[0] = 9;
        await level.put(entryKey(4), value);
      },
    ],
    [
      "two entries are swapped",
      /key of entry 3 lies another/,
      async (level) => {
        const [three, four] = [await level.get(entryKey(3)), await level.get(entryKey(4))];
        await level.put(entryKey(3), four!);
        await level.put(entryKey(4), three!);
      },
    ],
    [
      "a left-over entry stands behind the end",
      /end marker says 10/,
      async (level) => {
        const other = join(await scratchDirectory(), "log");
        const log = await openLogStore(other, { mode: "create" });
        await log.append(appended([...entries(1, 6, 1), ...entries(7, 11, 2)]), true);
        await log.close();
        await changed(other, async (from) =>
          level.put(entryKey(11), (await from.get(entryKey(11)))!),
        );
      },
    ],
    [
      "an intact entry of another history is in the place of one",
      /entry 6 does not continue entry 5/,
      async (level) => {
        const other = join(await scratchDirectory(), "log");
        const log = await openLogStore(other, { mode: "create" });
        await log.append(appended([entry(1, 1, 99), ...entries(2, 6, 1)]), true);
        await log.close();
        await changed(other, async (from) =>
          level.put(entryKey(6), (await from.get(entryKey(6)))!),
        );
      },
    ],
    [
      "the last entry is an older one of that index and term",
      /entry 10 is not the one/,
      async (level) => {
        const other = join(await scratchDirectory(), "log");
        const log = await openLogStore(other, { mode: "create" });
        const last = entry(10, 2, 50);
        await log.append(appended([...entries(1, 6, 1), ...entries(7, 9, 2), last]), true);
        await log.close();
        await changed(other, async (from) =>
          level.put(entryKey(10), (await from.get(entryKey(10)))!),
        );
      },
    ],
    [
      "there is a foreign record",
      /foreign record/,
      (level) => level.put(Buffer.from("zzz"), Buffer.from("?")),
    ],
    ["everything is gone", /it is empty/, (level) => level.clear()],
  ];

  test.each(damages)("%s", async (_name, message, damage) => {
    const path = await tenEntries();
    await (await reopened(path)).close();
    await changed(path, damage);
    const opening = reopened(path);
    await expect(opening).rejects.toBeInstanceOf(StorageDamage);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(/fetches everything from the others/);
  });

  test("a missing database is damage, and is not created", async () => {
    const path = join(await scratchDirectory(), "log");
    await expect(reopened(path)).rejects.toThrow(/the database is missing/);
    await expect(reopened(path)).rejects.toThrow(/the database is missing/);
  });
});

describe("while running", () => {
  test("a read notices an entry that has changed since the boot check", async () => {
    const path = await tenEntries();
    await changed(path, async (level) => {
      const value = (await level.get(entryKey(4)))!;
      value[20]! ^= 8;
      await level.put(entryKey(4), value);
    });
    const log = unchecked(path, [...entries(1, 6, 1), ...entries(7, 10, 2)]);
    expect((await log.read(5, 25)).entries).toHaveLength(2);
    await expect(log.read(1, 1 << 20)).rejects.toThrow(/entry 4 fails its checksum/);
    const later = log.append(appended([entry(11, 2)]), true);
    await expect(later).rejects.toBeInstanceOf(StorageStopped);
    await log.close();
  });

  test("a read notices entries that are gone", async () => {
    const path = await tenEntries();
    const log = unchecked(path, [...entries(1, 6, 1), ...entries(7, 12, 2)]);
    await expect(log.read(1, 1 << 20)).rejects.toThrow(/entry 11 is missing/);
    await log.close();
  });

  test("after a failed write nothing is written any more, whoever asks", async () => {
    // A database that is closed rejects every write, as one on a dead disk does.
    const level = levelAt(join(await scratchDirectory(), "log"));
    await level.close();
    const log = new LevelLogStore(level, emptyLog({ base: FIRST_BASE, end: EMPTY_END }));
    const calls = [1, 2].map((index) => log.append(appended([entry(index, 1)]), true));
    const cut = log.append({ truncateFrom: 1, entries: [] }, true);
    const reasons = (await Promise.allSettled([...calls, cut])).map(reasonOf);
    expect(reasons[0]).toBeInstanceOf(StorageFault);
    for (const later of reasons.slice(1)) {
      expect(later).toBeInstanceOf(StorageStopped);
      expect((later as Error).cause).toBe(reasons[0]);
    }
    await expect(log.sync()).rejects.toBeInstanceOf(StorageStopped);
    await expect(log.read(1, 10)).rejects.toBeInstanceOf(StorageStopped);
    expect(log.last.index).toBe(0);
  });
});

describe("what was cut away", () => {
  test("is known, also after a restart, until it is written again", async () => {
    const path = await tenEntries();
    let log = await reopened(path);
    await log.append({ truncateFrom: 5, entries: entries(5, 6, 3) }, true);
    await log.close();
    log = await reopened(path);
    const ids = [entry(4, 1), entry(5, 1), entry(6, 1), entry(7, 2), entry(10, 2), entry(5, 3)];
    expect(ids.map((id) => log.dropped(id))).toEqual([false, true, true, true, true, false]);
    expect([4, 5, 6, 7].map((index) => log.termAt(index))).toEqual([1, 3, 3, 0]);
    await log.append({ truncateFrom: 5, entries: [entry(5, 1)] }, true);
    expect(ids.map((id) => log.dropped(id))).toEqual([false, false, true, true, true, true]);
    await log.close();
  });

  test("is a bounded list that keeps the newest", async () => {
    const path = join(await scratchDirectory(), "log");
    const log = await openLogStore(path, { mode: "create" });
    await log.append(appended([entry(1, 1)]), true);
    for (let term = 2; term <= 101; term++) {
      await log.append({ truncateFrom: 1, entries: [entry(1, term)] }, false);
    }
    await log.close();
    const after = await reopened(path);
    expect(after.dropped(entry(1, 100))).toBe(true);
    expect(after.dropped(entry(1, 37))).toBe(true);
    expect(after.dropped(entry(1, 36))).toBe(false);
    await after.close();
  });
});

function reasonOf(result: PromiseSettledResult<void>): unknown {
  return result.status === "rejected" ? result.reason : undefined;
}

function levelAt(path: string): Level {
  return new ClassicLevel(path, { keyEncoding: "buffer", valueEncoding: "buffer" });
}

/** A store that believes the log to hold `believed`, without having looked. */
function unchecked(path: string, believed: readonly Entry[]): LevelLogStore {
  const terms = new TermRuns();
  for (const id of believed) {
    terms.append(id);
  }
  const end = { ...EMPTY_END, last: terms.last };
  return new LevelLogStore(levelAt(path), { ...emptyLog({ base: FIRST_BASE, end }), terms });
}
