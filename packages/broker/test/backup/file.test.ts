/**
 * A file of a backup is whole or refused: whatever was flipped, cut, added, moved or made up. And
 * what refuses it is always the one error that says so.
 */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FileExists, readHeader, writeBackup } from "../../src/backup/file.ts";
import { encodeBackup, encodeHead, FIXED_BYTES, MAGIC } from "../../src/backup/format.ts";
import { KeyFileError, readKeyFile } from "../../src/backup/key-file.ts";
import { readBackup } from "../../src/backup/reader.ts";
import { seal, unseal } from "../../src/backup/seal.ts";
import { verifyBackup } from "../../src/backup/verify.ts";
import { encodeHeader, encodeRows, encodeTrailer } from "../../src/snapshots/format.ts";
import { SnapshotDamage } from "../../src/snapshots/frame-reader.ts";
import { CLUSTER, MEMBERSHIP } from "../snapshots/harness.ts";
import { backupOf, fileWith, gather, inPieces, namesIn, temporaryFolder } from "./harness.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const OTHER_KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1);

/** Undefined: it was read to its end. */
async function faultOf(bytes: AsyncIterable<Uint8Array>): Promise<unknown> {
  try {
    for await (const part of readBackup(bytes)) void part;
    return undefined;
  } catch (error) {
    return error;
  }
}

function sealed(bytes: Uint8Array, key = KEY): Promise<Buffer> {
  return gather(seal(inPieces(bytes), key));
}

describe("a whole file", () => {
  test("says whose it is, and every record of it can be read", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "s");
    const bytes = await backupOf();
    const written = await writeBackup(path, inPieces(bytes));
    expect(written.bytes).toBe(bytes.length);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { header, records } = await verifyBackup(path);
    expect(await readHeader(path, undefined)).toEqual(header);
    expect(header).toMatchObject({ cluster_id: CLUSTER, node_id: "a", program_version: "9.9.9" });
    expect(header.tasks).toMatchObject({ pending: 47, running: 3 });
    expect(records).toBeGreaterThan(100);
    expect(await namesIn(folder)).toEqual(["s"]);
  });

  test.each([1, 7, 63, 4096])("is the same in pieces of %i bytes", async (size) => {
    const bytes = await backupOf();
    expect(await faultOf(inPieces(bytes, size))).toBeUndefined();
    const whole = await gather(unseal(inPieces(await sealed(bytes), size), KEY));
    expect(whole.equals(bytes)).toBe(true);
  });

  test("does not take the place of another unless that is asked for", async () => {
    const folder = await temporaryFolder();
    const path = await fileWith(folder, "s", Buffer.from("mine"));
    const bytes = await backupOf();
    await expect(writeBackup(path, inPieces(bytes))).rejects.toThrow(FileExists);
    expect(await readFile(path, "utf8")).toBe("mine");
    await writeBackup(path, inPieces(bytes), { replace: true });
    expect(await readFile(path)).toEqual(bytes);
  });

  test("never takes the place of a folder or of a device", async () => {
    const folder = await temporaryFolder();
    let asked = false;
    const bytes = (async function* () {
      asked = true;
      yield Buffer.from("x");
    })();
    const options = { replace: true };
    await expect(writeBackup(folder, bytes, options)).rejects.toThrow("name a file in it");
    await expect(writeBackup(`${folder}/new/`, bytes)).rejects.toThrow("name a file in it");
    await expect(writeBackup("/dev/null", bytes, options)).rejects.toThrow("is no file");
    expect([asked, await namesIn(folder)]).toEqual([false, []]);
  });

  test("that appears meanwhile is not overwritten either", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "s");
    const late = async function* () {
      yield Buffer.from("theirs");
      await writeFile(path, "mine");
    };
    await expect(writeBackup(path, late())).rejects.toThrow(FileExists);
    expect(await readFile(path, "utf8")).toBe("mine");
    expect(await namesIn(folder)).toEqual(["s"]);
  });

  test("is all or nothing: what breaks off leaves no file", async () => {
    const folder = await temporaryFolder();
    const broken = async function* () {
      yield Buffer.from("half");
      throw new Error("the other side has gone");
    };
    await expect(writeBackup(join(folder, "s"), broken())).rejects.toThrow("has gone");
    expect(await namesIn(folder)).toEqual([]);
  });
});

describe("damage", () => {
  test("of any single bit is found", async () => {
    const bytes = await backupOf(3);
    for (let at = 0; at < bytes.length; at++) {
      const bit = 1 << (at % 8);
      bytes[at]! ^= bit;
      expect(await faultOf(inPieces(bytes, 65_536)), `byte ${at}`).toBeInstanceOf(SnapshotDamage);
      bytes[at]! ^= bit;
    }
    expect(await faultOf(inPieces(bytes))).toBeUndefined();
  });

  test("of any single bit of an encrypted one is found", async () => {
    const bytes = await sealed(await backupOf(1));
    for (let at = 0; at < bytes.length; at++) {
      const bit = 1 << (at % 8);
      bytes[at]! ^= bit;
      const fault = await gather(unseal(inPieces(bytes, 65_536), KEY)).catch((error) => error);
      expect(fault, `byte ${at}`).toBeInstanceOf(SnapshotDamage);
      bytes[at]! ^= bit;
    }
  });

  test("by cutting it anywhere, or by adding to it, is found", async () => {
    const bytes = await backupOf(3);
    for (let length = 0; length < bytes.length; length++) {
      const fault = await faultOf(inPieces(bytes.subarray(0, length), 65_536));
      expect(fault, `cut to ${length}`).toBeInstanceOf(SnapshotDamage);
    }
    const longer = Buffer.concat([bytes, Buffer.from([0])]);
    expect(await faultOf(inPieces(longer))).toBeInstanceOf(SnapshotDamage);
    const twice = Buffer.concat([bytes, bytes]);
    expect(await faultOf(inPieces(twice))).toBeInstanceOf(SnapshotDamage);
  });

  test("made up of anything at all is told as that, and as nothing else", async () => {
    const whole = await backupOf(3);
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
      drop: fc.nat(64),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        let bytes = Buffer.from(whole);
        for (const { at, bytes: added, drop } of changes) {
          bytes = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + drop)]);
        }
        const fault = await faultOf(inPieces(bytes, 512));
        if (!bytes.equals(whole)) expect(fault).toBeInstanceOf(SnapshotDamage);
      }),
      { numRuns: 10_000 },
    );
  });

  test("with the beginning of a file, and then anything, costs no memory for what it announces", async () => {
    const start = Buffer.alloc(FIXED_BYTES);
    start.write(MAGIC, "latin1");
    start.writeUInt16BE(1, 8);
    start.writeUInt32BE(0xffff_ffff, 10);
    expect(String(await faultOf(inPieces(start)))).toContain("a header of 4294967295 bytes");
    start.writeUInt16BE(2, 8);
    expect(String(await faultOf(inPieces(start)))).toContain("version 2, this program knows 1");
    const chunk = Buffer.concat([
      (await sealed(Buffer.from("x"))).subarray(0, 26),
      Buffer.alloc(4),
    ]);
    chunk.writeUInt32BE(0x7fff_ffff, 26);
    const fault = await gather(unseal(inPieces(chunk), KEY)).catch(String);
    expect(fault).toContain("a chunk of 2147483647 bytes");
  });

  test("that keeps every checksum is found by its counts", async () => {
    const folder = await temporaryFolder();
    const rows: [Uint8Array, Uint8Array][] = [];
    const bytes = await backupOf(3);
    const parts = [];
    for await (const part of readBackup(inPieces(bytes))) {
      parts.push(part);
      if (part.kind === "rows") rows.push(...(part.rows as [Uint8Array, Uint8Array][]));
    }
    const head = parts.flatMap((part) => (part.kind === "head" ? [part.head] : []))[0]!;
    const inner = parts.flatMap((part) => (part.kind === "header" ? [part.header] : []))[0]!;
    const forge = async (kept: typeof rows, change: Partial<typeof head> = {}) => {
      const encoded = encodeHeader({ ...inner, membership: MEMBERSHIP });
      const body = encodeRows(kept, encoded.checkpoint);
      const frames = [encoded.frame, body.frame, encodeTrailer(body.checkpoint)];
      const made = encodeBackup({ ...head, ...change }, inPieces(Buffer.concat(frames)));
      return await fileWith(folder, "forged", await gather(made));
    };
    await verifyBackup(await forge(rows));
    const isLive = ([key]: readonly [Uint8Array, Uint8Array]) => key[0] === 0x6c;
    const one = rows.findIndex(isLive);
    const fewer = await forge(rows.filter((_, at) => at !== one));
    await expect(verifyBackup(fewer)).rejects.toThrow("tasks, and the queues count");
    const garbled = rows.map((row, at) => [row[0], at === one ? row[1].slice(0, 9) : row[1]]);
    await expect(verifyBackup(await forge(garbled as typeof rows))).rejects.toThrow(SnapshotDamage);
    const strange = [...rows, [Buffer.from("z/what"), Buffer.from("?")]] as typeof rows;
    await expect(verifyBackup(await forge(strange))).rejects.toThrow("a record of kind 122");
    const liar = await forge(rows, { queues: 99 });
    await expect(verifyBackup(liar)).rejects.toThrow("does not tell what is in it");
    const nobody = await forge(rows, { cluster_id: "another" });
    await expect(verifyBackup(nobody)).rejects.toThrow("that of another one");
    const short = encodeHead({ ...head, tasks: {} as never });
    expect(String(await faultOf(inPieces(short)))).toContain("lacks a number");
  });
});

describe("encryption", () => {
  test("of much is in chunks, none of which can be left out or moved", async () => {
    const bytes = Buffer.alloc(700_000, "secret ");
    const whole = await sealed(bytes);
    expect(whole.includes("secret")).toBe(false);
    expect((await gather(unseal(inPieces(whole, 5_000), KEY))).equals(bytes)).toBe(true);
    const size = 4 + 262_144 + 16;
    const [head, one, two, rest] = [0, 26, 26 + size, 26 + 2 * size].map((from, i, all) => {
      return whole.subarray(from, all[i + 1]);
    }) as [Buffer, Buffer, Buffer, Buffer];
    for (const moved of [[head, two, one, rest], [head, one, rest], [head, one, two], [head]]) {
      const fault = await gather(unseal(inPieces(Buffer.concat(moved)), KEY)).catch((it) => it);
      expect(fault).toBeInstanceOf(SnapshotDamage);
    }
  });

  test("is undone by its key alone, and no two files are alike", async () => {
    const folder = await temporaryFolder();
    const bytes = await backupOf(1);
    const path = join(folder, "s");
    await writeBackup(path, inPieces(bytes), { key: KEY });
    expect((await readFile(path)).equals(await sealed(bytes))).toBe(false);
    expect((await verifyBackup(path, KEY)).header.node_id).toBe("a");
    await expect(verifyBackup(path, OTHER_KEY)).rejects.toThrow("the key is not the one");
    await expect(verifyBackup(path)).rejects.toThrow("is encrypted: name the file with its key");
    const plain = await fileWith(folder, "plain", bytes);
    await expect(verifyBackup(plain, KEY)).rejects.toThrow("is not encrypted");
  });

  test("takes its key from a file: bytes, hex or base64", async () => {
    const folder = await temporaryFolder();
    const key = Buffer.from(OTHER_KEY);
    const forms = [key, `${key.toString("hex")}\n`, `${key.toString("base64")}\n`];
    for (const form of forms) {
      const path = await fileWith(folder, "key", Buffer.from(form));
      expect(Buffer.from(await readKeyFile(path))).toEqual(key);
    }
    for (const wrong of ["", "abc", "x".repeat(2_000), key.toString("hex").slice(1)]) {
      const path = await fileWith(folder, "key", Buffer.from(wrong));
      await expect(readKeyFile(path)).rejects.toThrow(KeyFileError);
    }
    await mkdir(join(folder, "directory"));
    for (const name of ["none", "directory"]) {
      await expect(readKeyFile(join(folder, name))).rejects.toThrow(KeyFileError);
    }
  });
});
