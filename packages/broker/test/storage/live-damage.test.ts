/**
 * Bits that flip under running stores: a read never gives another value than was written, the first
 * bad one ends the store, and what a read cannot notice the scrub does.
 */
import { open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { appended, entries, entry } from "../../../../test/conformance/log-store.ts";
import { openLogStore } from "../../src/storage/log-store.ts";
import { readManifest } from "../../src/storage/manifest.ts";
import { Scrub } from "../../src/storage/scrub.ts";
import { openStateStore } from "../../src/storage/state-store.ts";
import { StorageDamage, StorageStopped } from "../../src/storage/storage-error.ts";
import { verifyState } from "../../src/storage/verify-state.ts";
import { until } from "../transport/harness.ts";
import { scratchDirectory } from "./scratch.ts";

const SMALL_BUFFER = 64 << 10;
const KEYS = 600;

async function filesIn(directory: string, ending: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(ending)).sort();
  return names.map((name) => join(directory, name));
}

/** In place, as a disk does it: the file stays the same one. */
async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 0x04;
  await file.write(byte, 0, 1, at);
  await file.close();
}

function keyOf(n: number): Uint8Array {
  return Uint8Array.from(Buffer.from(`f/${String(n).padStart(6, "0")}`));
}

async function stateStore(directory: string) {
  const small = { writeBufferSize: SMALL_BUFFER, cacheSize: 1 };
  const store = await openStateStore(directory, { mode: "create", ...small });
  for (let applied = 1; applied <= 10; applied++) {
    const numbers = Array.from({ length: KEYS / 10 }, (_, n) => n * 10 + applied - 1);
    const writes = numbers.map((n) => ({ key: keyOf(n), value: entry(n + 1, 1, 400).data }));
    const mark = { applied, logDurable: { term: 1, index: applied }, membership: new Uint8Array() };
    await store.flush({ applied, writes }, mark);
  }
  return store;
}

/** What a start does after a run that met with damage. */
async function openAndVerify(directory: string): Promise<void> {
  const store = await openStateStore(directory, { mode: "existing" });
  // A compaction copies a bad value into a table that is sound for LevelDB.
  await verifyState(store).finally(() => store.close());
}

test("a state record is what was written, or damage that ends the store", async () => {
  let found = 0;
  for (const share of [0.1, 0.25, 0.4, 0.55, 0.7, 0.85]) {
    const directory = await scratchDirectory();
    const store = await stateStore(directory);
    for (const table of await filesIn(directory, ".ldb")) {
      await flip(table, Math.floor((await stat(table)).size * share));
    }
    let damage: unknown;
    for (let n = 0; n < KEYS && damage === undefined; n++) {
      try {
        const value = store.get(keyOf(n));
        if (value !== undefined) expect(value).toEqual(entry(n + 1, 1, 400).data);
      } catch (error) {
        damage = error;
      }
    }
    if (damage !== undefined) {
      found++;
      expect(damage).toBeInstanceOf(StorageDamage);
      expect(() => store.get(keyOf(0))).toThrow(StorageStopped);
      await expect(store.load(keyOf(0))).rejects.toBeInstanceOf(StorageStopped);
    }
    await store.close();
    if (damage !== undefined) await expect(openAndVerify(directory)).rejects.toThrow(StorageDamage);
  }
  expect(found).toBeGreaterThan(2);
});

test("reading all records finds one that was bad before LevelDB got it", async () => {
  const directory = await scratchDirectory();
  const store = await stateStore(directory);
  expect(await verifyState(store)).toBe(KEYS);
  const scan = async (...[range, limit]: Parameters<typeof store.scan>) => {
    const rows = await store.scan(range, limit);
    expect(rows.length).toBeLessThanOrEqual(limit);
    return rows;
  };
  expect(await verifyState({ scan })).toBe(KEYS);
  const refusing = {
    scan: async () => {
      throw new StorageDamage("state", { what: "the record 01 fails its checksum", where: "x" });
    },
  };
  await expect(verifyState(refusing)).rejects.toBeInstanceOf(StorageDamage);
  await store.close();
});

test("an entry that is read for a follower is whole, or damage that ends the store", async () => {
  for (const share of [0.2, 0.5, 0.8]) {
    const directory = await scratchDirectory();
    const options = { mode: "create", writeBufferSize: SMALL_BUFFER } as const;
    const log = await openLogStore(directory, options);
    for (let from = 1; from <= 400; from += 20) {
      await log.append(appended(entries(from, from + 19, 1, 900)), true);
    }
    for (const table of await filesIn(directory, ".ldb")) {
      await flip(table, Math.floor((await stat(table)).size * share));
    }
    await expect(log.read(1, 1 << 30), `at ${share}`).rejects.toBeInstanceOf(StorageDamage);
    const entriesAfter = appended(entries(401, 401, 1, 10));
    await expect(log.append(entriesAfter, true)).rejects.toBeInstanceOf(StorageStopped);
    await log.close();
    const again = openLogStore(directory, { mode: "existing" });
    await expect(again).rejects.toBeInstanceOf(StorageDamage);
  }
});

test("the scrub finds what no read has noticed, and minds only what is in use", async () => {
  const dataDir = await scratchDirectory();
  const store = await stateStore(join(dataDir, "state-1"));
  const log = await openLogStore(join(dataDir, "log"), { mode: "create" });
  const found: StorageDamage[] = [];
  const onDamage = (damage: StorageDamage) => found.push(damage);
  const tables = await filesIn(join(dataDir, "state-1"), ".ldb");
  // As LevelDB leaves it while it writes a table, or when it is killed then.
  const unfinished = join(dataDir, "state-1", "999998.ldb");
  await writeFile(unfinished, (await readFile(tables[0]!)).subarray(0, 1000));
  const { tables: live } = await readManifest("state", join(dataDir, "state-1"));
  const bad = tables.find((table) => live.has(Number.parseInt(basename(table), 10)))!;
  const scrub = new Scrub({ dataDir, onDamage, intervalMs: 1 });
  onTestFinished(async () => {
    await scrub.close();
    await store.close();
    await log.close();
  });
  await flip(bad, Math.floor((await stat(bad)).size / 2));
  await until(() => found.length > 1);
  expect(new Set(found.map(({ where }) => where))).toEqual(new Set([bad]));
  expect(found[0]).toMatchObject({ store: "state" });
});
