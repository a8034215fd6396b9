/**
 * An older copy of LevelDB's list of tables (MANIFEST): LevelDB opens it without a word, as the
 * database it once was, and deletes the newer tables. Neither store takes what comes of it for
 * what it had, unless it is exactly what one earlier flush left.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { appended, entries, entry } from "../../../../test/conformance/log-store.ts";
import { openLogStore } from "../../src/storage/log-store.ts";
import { openStateStore } from "../../src/storage/state-store.ts";
import { StorageDamage } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

const BUFFER = 64 << 10;

async function manifestOf(directory: string): Promise<string> {
  const name = (await readdir(directory)).find((each) => each.startsWith("MANIFEST"));
  return join(directory, name as string);
}

/** Rounds of writes after which the MANIFEST is kept, and written back at the end. */
const CASES = [
  [2, 4],
  [5, 7],
  [3, 20],
  [10, 40],
] as const;

test.each(CASES)("of the log, from round %i of %i", async (kept, rounds) => {
  const directory = await scratchDirectory();
  const log = await openLogStore(directory, { mode: "create", writeBufferSize: BUFFER });
  let manifest = Buffer.alloc(0);
  for (let round = 1; round <= rounds; round++) {
    const from = (round - 1) * 20 + 1;
    await log.append(appended(entries(from, from + 19, 1, 2_000)), true);
    if (round === kept) manifest = await readFile(await manifestOf(directory));
  }
  const { last } = log;
  await log.close();
  const where = await manifestOf(directory);
  const changed = !manifest.equals(await readFile(where));
  await writeFile(where, manifest);
  const opened = await openLogStore(directory, { mode: "existing" }).catch((error) => error);
  if (opened instanceof Error) {
    expect(opened).toBeInstanceOf(StorageDamage);
    return;
  }
  // Shorter at most, which the flushed mark then shows; never with a hole or another entry.
  expect(opened.last.index).toBeLessThanOrEqual(last.index);
  expect(changed || opened.last.index === last.index).toBe(true);
  const { entries: found } = await opened.read(1, 1 << 30);
  expect(found).toEqual(entries(1, opened.last.index, 1, 2_000));
  await opened.close();
});

test.each(CASES)("of the state, from round %i of %i", async (kept, rounds) => {
  const directory = await scratchDirectory();
  const store = await openStateStore(directory, { mode: "create", writeBufferSize: BUFFER });
  const keyOf = (n: number) => Uint8Array.from(Buffer.from(`f/${n % 50}`));
  let manifest = Buffer.alloc(0);
  for (let round = 1; round <= rounds; round++) {
    const numbers = Array.from({ length: 20 }, (_, n) => (round - 1) * 20 + n);
    const writes = numbers.map((n) => ({ key: keyOf(n), value: entry(n + 1, 1, 2_000).data }));
    const mark = { applied: round, logDurable: { term: 1, index: round } };
    await store.flush({ applied: round, writes }, { ...mark, membership: new Uint8Array() });
    if (round === kept) manifest = await readFile(await manifestOf(directory));
  }
  await store.close();
  await writeFile(await manifestOf(directory), manifest);
  const opened = await openStateStore(directory, { mode: "existing" }).catch((error) => error);
  if (opened instanceof Error) {
    expect(opened).toBeInstanceOf(StorageDamage);
    return;
  }
  // The log then applies the rest again; its base tells if it no longer can.
  const { applied } = opened.mark;
  for (let n = Math.max(0, applied * 20 - 50); n < applied * 20; n++) {
    expect(opened.get(keyOf(n)), `key ${n} after ${applied}`).toEqual(entry(n + 1, 1, 2_000).data);
  }
  await opened.close();
});
