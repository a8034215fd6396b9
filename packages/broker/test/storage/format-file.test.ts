/** The first thing that a binary reads of a data directory: whether it may look any further. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  createFormat,
  FormatFile,
  NEWEST_FORMAT,
  openFormat,
} from "../../src/storage/format-file.ts";
import { DataDirError, StorageDamage, StorageFault } from "../../src/storage/storage-error.ts";
import { scratchDirectory } from "./scratch.ts";

const contentOf = (path: string) => readFile(join(path, "format"), "latin1");
const write = (path: string, content: string) => writeFile(join(path, "format"), content);

test("a new directory is one that every binary can read", async () => {
  const path = await scratchDirectory();
  expect(await openFormat(path)).toBeUndefined();
  const format = await createFormat(path);
  expect(format.version).toBe(1);
  expect(await contentOf(path)).toBe("tq data 1\n");
  expect((await openFormat(path))?.version).toBe(1);
});

describe("a format", () => {
  test("is raised once, and never lowered", async () => {
    const path = await scratchDirectory();
    const format = await createFormat(path);
    await Promise.all([format.raise(2), format.raise(1), format.raise(2)]);
    expect(await contentOf(path)).toBe("tq data 2\n");
    await format.raise(1);
    expect(format.version).toBe(2);
    expect(await contentOf(path)).toBe("tq data 2\n");
    const again = await openFormat(path);
    expect(again?.version).toBe(2);
    // Nothing is written for what it says already.
    await write(path, "as it was");
    await again?.raise(2);
    expect(await contentOf(path)).toBe("as it was");
  });

  test("is raised when the promise is kept, not before", async () => {
    const path = await scratchDirectory();
    const format = await createFormat(path);
    const raised = format.raise(2);
    expect(format.version).toBe(1);
    await raised;
    expect(await contentOf(path)).toBe("tq data 2\n");
  });

  test("that cannot be raised is a fault of the disk, and stays what it was", async () => {
    const lost = new FormatFile(join(await scratchDirectory(), "gone", "format"), 1);
    await expect(lost.raise(2)).rejects.toBeInstanceOf(StorageFault);
    expect(lost.version).toBe(1);
  });
});

test("of a newer broker is refused by name", async () => {
  const path = await scratchDirectory();
  await write(path, `tq data ${NEWEST_FORMAT + 1}\n`);
  await expect(openFormat(path)).rejects.toBeInstanceOf(DataDirError);
  await expect(openFormat(path)).rejects.toThrow(
    `${path} has data format 5, this tq-broker knows formats up to 4: start the newer tq-broker`,
  );
});

test.each(["", "tq data 1", "tq data 0\n", "tq data 01\n", "tq data x\n", "tq dat` 1\n"])(
  "%j is damage",
  async (content) => {
    const path = await scratchDirectory();
    await write(path, content);
    await expect(openFormat(path)).rejects.toBeInstanceOf(StorageDamage);
  },
);
