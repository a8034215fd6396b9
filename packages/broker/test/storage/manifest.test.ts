/**
 * Which tables count: those of the MANIFEST, and no piece that a killed process has left behind. A
 * broker that took such a piece for damage would not come back after a crash.
 */
import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openLevel } from "../../src/storage/level.ts";
import { decodeManifest, readManifest } from "../../src/storage/manifest.ts";
import { StorageDamage } from "../../src/storage/storage-error.ts";
import { checkTables } from "../../src/storage/table-check.ts";
import { scratchDirectory } from "./scratch.ts";

let directory: string;

beforeEach(async () => {
  directory = await scratchDirectory(afterAll);
  // Several generations of tables: the MANIFEST holds additions, removals and moves.
  for (let round = 0; round < 6; round++) {
    const level = new ClassicLevel<string, string>(directory, { writeBufferSize: 1 << 16 });
    for (let id = 0; id < 40; id++) await level.put(`key ${id}`, `${round}`.repeat(4000));
    if (round === 3) await level.compactRange("a", "z");
    await level.close();
  }
});

describe("live tables", () => {
  test("are those that LevelDB keeps when it opens the database again", async () => {
    // What a compaction was writing when the last one closed it is removed by the next.
    const level = new ClassicLevel<string, string>(directory);
    await level.open();
    await level.close();
    const present = (await readdir(directory)).filter((name) => name.endsWith(".ldb"));
    const live = [...(await readManifest("state", directory)).tables.keys()];
    expect(live.length).toBeGreaterThan(1);
    expect(present.map((name) => Number.parseInt(name, 10))).toEqual(expect.arrayContaining(live));
    await checkTables("state", directory);
  });

  test("a table that was never finished belongs to nothing", async () => {
    const [some] = (await readdir(directory)).filter((name) => name.endsWith(".ldb"));
    const piece = (await readFile(join(directory, some!))).subarray(0, 700);
    await writeFile(join(directory, "900000.ldb"), piece);
    await writeFile(join(directory, "900001.ldb"), "");
    await checkTables("state", directory);
  });

  test("one that is missing, cut short or another one is damage", async () => {
    const [number, size] = [...(await readManifest("state", directory)).tables][0]!;
    const where = join(directory, `${String(number).padStart(6, "0")}.ldb`);
    const whole = await readFile(where);
    await truncate(where, size - 1);
    await expect(checkTables("state", directory)).rejects.toThrow(StorageDamage);
    await writeFile(where, Buffer.concat([whole, Buffer.alloc(9)]));
    await expect(checkTables("state", directory)).rejects.toThrow(`instead of ${size}`);
    await rm(where);
    await expect(checkTables("state", directory)).rejects.toThrow("the table is missing");
  });

  test("a MANIFEST with a torn end, as a crash leaves it, is read up to there", async () => {
    const name = (await readdir(directory)).find((each) => each.startsWith("MANIFEST"))!;
    const manifest = await readFile(join(directory, name));
    const whole = decodeManifest(manifest);
    expect(
      decodeManifest(Buffer.concat([manifest, Buffer.from([1, 2, 3, 4, 60, 0, 1, 7])])),
    ).toEqual(whole);
  });

  test("a MANIFEST that has lost whole edits is damage, wherever it is cut", async () => {
    const level = new ClassicLevel<string, string>(directory, { writeBufferSize: 1 << 16 });
    for (let id = 0; id < 200; id++) await level.put(`key ${id}`, "x".repeat(4000));
    await level.close();
    const name = (await readdir(directory)).find((each) => each.startsWith("MANIFEST"))!;
    const where = join(directory, name);
    const manifest = await readFile(where);
    await checkTables("state", directory);
    const whole = decodeManifest(manifest);
    const lost: number[] = [];
    for (let length = manifest.length - 1; length > 0; length -= 29) {
      const cut = manifest.subarray(0, length);
      const isSame = decodeManifest(cut).walNumber === whole.walNumber;
      const copy = join(await scratchDirectory(afterAll), "copy");
      await cp(directory, copy, { recursive: true });
      await writeFile(join(copy, name), cut);
      const options = { compression: false, writeBufferSize: 1 << 16, cacheSize: 1 << 20 };
      const opened = await openLevel("state", copy, "existing", options).catch((error) => error);
      // What is left may lack nothing but edits that said nothing new.
      if (opened instanceof StorageDamage) continue;
      if (!isSame) lost.push(length);
      await opened.close();
    }
    expect(lost).toEqual([]);
  });

  test("there are none before there is a database", async () => {
    expect((await readManifest("state", join(directory, "nowhere"))).tables).toEqual(new Map());
  });

  test("a CURRENT that names no MANIFEST is damage", async () => {
    await writeFile(join(directory, "CURRENT"), "nonsense");
    await expect(readManifest("state", directory)).rejects.toThrow("CURRENT");
    await writeFile(join(directory, "CURRENT"), "MANIFEST-999999\n");
    await expect(readManifest("state", directory)).rejects.toThrow("is missing");
  });
});
