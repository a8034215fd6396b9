/** Tables that are read through a window are judged as those that are in memory as a whole. */
import { copyFile, open, readdir, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkTable, PIECE_BYTES, tableDamage } from "../../src/storage/table-check.ts";
import { TableWindow } from "../../src/storage/table-window.ts";
import { scratchDirectory } from "./scratch.ts";

const LARGE_BYTES = PIECE_BYTES * 3;

const window = new TableWindow();
let directory: string;
/** With small blocks, several windows long, and with one block that fits into none. */
let where: string;
let table: Buffer;
let largeAt: number;

beforeAll(async () => {
  directory = await scratchDirectory(afterAll);
  const options = { compression: false, maxFileSize: 8 << 20, valueEncoding: "buffer" } as const;
  const level = new ClassicLevel<string, Buffer>(join(directory, "level"), options);
  await level.open();
  const batch = level.batch();
  for (let id = 1000; id < 6000; id++) batch.put(`key ${id}`, Buffer.alloc(200, `${id * 7919} `));
  batch.put("key 3000 large", Buffer.alloc(LARGE_BYTES, "all work and no play "));
  await batch.write();
  await level.compactRange("", "z");
  await level.close();
  const names = (await readdir(join(directory, "level"))).filter((name) => name.endsWith(".ldb"));
  expect(names).toHaveLength(1);
  where = join(directory, "level", names[0]!);
  table = await readFile(where);
  largeAt = table.indexOf("all work and no play");
  expect(largeAt).toBeGreaterThan(PIECE_BYTES);
});

async function damagedCopy(change: (file: string) => Promise<void>): Promise<string> {
  const file = join(directory, "copy.ldb");
  await copyFile(where, file);
  await change(file);
  return file;
}

test("a sound one is sound, again and again through the same window", async () => {
  expect(tableDamage(table)).toBeUndefined();
  expect(await window.damageIn(where)).toBeUndefined();
  expect(await window.damageIn(where)).toBeUndefined();
});

test("nothing larger than the window is asked for but an index", () => {
  const check = checkTable(table.length);
  const sizes: number[] = [];
  for (let next = check.next(); next.done !== true; ) {
    const { offset, size } = next.value;
    sizes.push(size);
    next = check.next(table.subarray(offset, offset + size));
  }
  expect(Math.max(...sizes)).toBe(PIECE_BYTES);
});

test("a flipped bit is found wherever it is, and named alike", async () => {
  const inLarge = [0, PIECE_BYTES, 2 * PIECE_BYTES + 5, LARGE_BYTES - 1].map((at) => largeAt + at);
  const windows = [0, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, table.length - 60];
  for (const at of [...windows, ...inLarge]) {
    const byte = Buffer.from([table[at]! ^ 0x10]);
    const file = await damagedCopy(async (copy) => {
      const handle = await open(copy, "r+");
      await handle.write(byte, 0, 1, at);
      await handle.close();
    });
    const what = tableDamage(await readFile(file));
    expect(what, `at ${at}`).toBeDefined();
    expect(await window.damageIn(file)).toBe(what);
  }
  expect(await window.damageIn(where)).toBeUndefined();
});

test("one that was cut is damaged, one that is gone is the disk's affair", async () => {
  for (const length of [0, 47, 48, PIECE_BYTES, table.length - 1]) {
    const file = await damagedCopy((copy) => truncate(copy, length));
    expect(await window.damageIn(file)).toBe("the table has no valid footer");
  }
  await expect(window.damageIn(join(directory, "none.ldb"))).rejects.toThrow("ENOENT");
});
