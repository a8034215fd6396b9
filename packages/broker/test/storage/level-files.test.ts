/**
 * Our own reading of LevelDB's files: every bit of every table is covered by a checksum we verify,
 * and a bad record in a write-ahead log is told apart from the torn end that a crash leaves.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { crc32c, masked } from "../../src/storage/crc32c.ts";
import { unsnappy } from "../../src/storage/snappy.ts";
import { tableDamage } from "../../src/storage/table-check.ts";
import { walDamage } from "../../src/storage/wal-check.ts";
import { scratchDirectory } from "./scratch.ts";

const ascii = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));

describe("crc32c", () => {
  test("the check value and RFC 3720's examples", () => {
    expect(crc32c(ascii("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd794e);
  });

  test("continues where it stopped", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
        const whole = Uint8Array.from([...first, ...second]);
        expect(crc32c(second, crc32c(first))).toBe(crc32c(whole));
      }),
    );
  });

  test("masked stays a 32-bit number", () => {
    expect(masked(0xffffffff)).toBe((0xffffffff + 0xa282ead8) >>> 0);
    expect(masked(0)).toBe(0xa282ead8);
  });
});

describe("unsnappy", () => {
  test("literals, copies, overlapping copies", () => {
    const abcd = [0x61, 0x62, 0x63, 0x64];
    expect(unsnappy(Uint8Array.from([4, 3 << 2, ...abcd]))).toEqual(ascii("abcd"));
    const oneByteOffset = [12, 3 << 2, ...abcd, ((8 - 4) << 2) | 1, 4];
    expect(unsnappy(Uint8Array.from(oneByteOffset))).toEqual(ascii("abcdabcdabcd"));
    const twoByteOffset = [9, 0, 0x61, ((8 - 1) << 2) | 2, 1, 0];
    expect(unsnappy(Uint8Array.from(twoByteOffset))).toEqual(ascii("aaaaaaaaa"));
  });

  test("never reads or writes outside, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          unsnappy(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe.each([true, false])("tables, compression %s", (compression) => {
  let tables: readonly Buffer[] = [];

  beforeAll(async () => {
    const path = await scratchDirectory(afterAll);
    const level = new ClassicLevel<string, string>(path, { compression, maxFileSize: 1 << 20 });
    await level.open();
    const pad = "all work and no play ".repeat(20);
    for (let from = 0; from < 12_000; from += 1000) {
      const batch = level.batch();
      for (let id = from; id < from + 1000; id++) {
        batch.put(`key ${id}`, `${pad} ${id * 7919}`);
      }
      await batch.write();
    }
    await level.compactRange("", "z");
    await level.close();
    const names = (await readdir(path)).filter((name) => name.endsWith(".ldb"));
    tables = await Promise.all(names.map((name) => readFile(join(path, name))));
  });

  test("tables as LevelDB writes them are sound", () => {
    expect(tables.length).toBeGreaterThan(0);
    expect(tables.map(tableDamage)).toEqual(tables.map(() => undefined));
  });

  test("any flipped bit outside the footer's padding is found", () => {
    const table = tables[0]!;
    const bits = (table.length - 48) * 8;
    fc.assert(
      fc.property(fc.nat(bits - 1), (bit) => {
        table[bit >> 3]! ^= 1 << (bit & 7);
        try {
          expect(tableDamage(table)).toBeDefined();
        } finally {
          table[bit >> 3]! ^= 1 << (bit & 7);
        }
      }),
    );
  });

  test("any cut and any zeroed page is found", () => {
    const table = tables[0]!;
    fc.assert(
      fc.property(fc.nat(table.length - 1), (length) => {
        expect(tableDamage(table.subarray(0, length))).toBeDefined();
        const zeroed = Buffer.from(table);
        zeroed.fill(0, length, Math.min(length + 4096, table.length));
        expect(zeroed.equals(table) ? undefined : tableDamage(zeroed)).toBeDefined();
      }),
      { numRuns: 20 },
    );
  });
});

describe("write-ahead logs", () => {
  let wal: Buffer = Buffer.alloc(0);

  beforeAll(async () => {
    const path = await scratchDirectory(afterAll);
    const level = new ClassicLevel<string, string>(path);
    for (let id = 0; id < 60; id++) {
      // Some span several 32 KiB blocks.
      await level.put(`key ${id}`, `${id}`.repeat(id % 10 === 0 ? 50_000 : 400));
    }
    await level.close();
    const name = (await readdir(path)).find((file) => file.endsWith(".log"))!;
    wal = await readFile(join(path, name));
  });

  test("as LevelDB writes it, it is sound; an empty one too", () => {
    expect(walDamage(wal)).toBeUndefined();
    expect(walDamage(Buffer.alloc(0))).toBeUndefined();
  });

  test("a torn end at any byte is no damage: it was never acknowledged", () => {
    fc.assert(
      fc.property(fc.nat(wal.length), (length) => {
        expect(walDamage(wal.subarray(0, length))).toBeUndefined();
      }),
    );
  });

  test("garbage or zeros behind the end are no damage", () => {
    expect(walDamage(Buffer.concat([wal, Buffer.alloc(10_000)]))).toBeUndefined();
    expect(walDamage(Buffer.concat([wal, Buffer.alloc(10_000, 0xa5)]))).toBeUndefined();
  });

  test("a flipped bit before the last record is damage", () => {
    // The last record is one of 800 bytes.
    const before = wal.length - 1000;
    fc.assert(
      fc.property(fc.nat(before * 8), (bit) => {
        wal[bit >> 3]! ^= 1 << (bit & 7);
        const at = walDamage(wal);
        const block = (bit >> 3) - ((bit >> 3) % 32_768);
        const padding = wal.subarray(bit >> 3, block + 32_768).length < 7;
        wal[bit >> 3]! ^= 1 << (bit & 7);
        expect(at !== undefined || padding).toBe(true);
      }),
    );
  });
});
