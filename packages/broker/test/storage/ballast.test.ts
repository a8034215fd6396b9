/** The file that is given up when the disk is full. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { needs } from "../../../../test/needs.ts";
import {
  BALLAST_BYTES,
  BALLAST_FILE,
  keepBallast,
  releaseBallast,
} from "../../src/storage/ballast.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import { scratchDirectory } from "./scratch.ts";
import { smallFileSystem } from "./small-file-system.ts";

const FLOOR = BALLAST_BYTES + 1_000_000;
const ROOM = FLOOR + BALLAST_BYTES + 1;
const free = (bytes: number) => async () => bytes;

describe("keeping it", () => {
  test("makes a file whose blocks are really taken, and do not shrink", async () => {
    const path = await scratchDirectory();
    await keepBallast(path, ROOM, FLOOR);
    const ballast = join(path, BALLAST_FILE);
    const { size, blocks, mode } = statSync(ballast);
    expect(size).toBe(BALLAST_BYTES);
    expect(blocks * 512).toBeGreaterThanOrEqual(BALLAST_BYTES);
    expect(mode & 0o777).toBe(0o600);
    const piece = readFileSync(ballast).subarray(0, 128 * 1024);
    expect(gzipSync(piece).length).toBeGreaterThan(piece.length * 0.99);
    expect(readdirSync(path)).toEqual([BALLAST_FILE]);
  });

  test("waits until there is room for it above the floor", async () => {
    const path = await scratchDirectory();
    await keepBallast(path, ROOM - 1, FLOOR);
    expect(readdirSync(path)).toEqual([]);
  });

  test("leaves as much again behind it, also where there is no floor", async () => {
    const path = await scratchDirectory();
    await keepBallast(path, 2 * BALLAST_BYTES, 0);
    expect(readdirSync(path)).toEqual([]);
    await keepBallast(path, 2 * BALLAST_BYTES + 1, 0);
    expect(readdirSync(path)).toEqual([BALLAST_FILE]);
  });

  test("leaves one that is there alone, and replaces one that is too small", async () => {
    const path = await scratchDirectory();
    const ballast = join(path, BALLAST_FILE);
    await keepBallast(path, ROOM, FLOOR);
    const { ino } = statSync(ballast);
    await keepBallast(path, ROOM, FLOOR);
    expect(statSync(ballast).ino).toBe(ino);
    truncateSync(ballast, 100);
    await keepBallast(path, ROOM, FLOOR);
    expect(statSync(ballast).size).toBe(BALLAST_BYTES);
  });

  test("says what went wrong, and leaves nothing", async () => {
    const path = await scratchDirectory();
    // A directory stands where it is to be renamed to.
    execFileSync("mkdir", ["-p", join(path, BALLAST_FILE, "x")]);
    await expect(keepBallast(path, ROOM, FLOOR)).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(path)).toEqual([BALLAST_FILE]);
  });
});

describe("releasing it", () => {
  test("gives it up on a disk with less room than it takes, and only then", async () => {
    const path = await scratchDirectory();
    await keepBallast(path, ROOM, FLOOR);
    expect(await releaseBallast(path, free(BALLAST_BYTES))).toBe(false);
    expect(readdirSync(path)).toEqual([BALLAST_FILE]);
    expect(await releaseBallast(path, free(BALLAST_BYTES - 1))).toBe(true);
    expect(readdirSync(path)).toEqual([]);
  });

  test("does nothing where there is none, not even a directory", async () => {
    const path = await scratchDirectory();
    expect(await releaseBallast(path, free(0))).toBe(false);
    expect(await releaseBallast(join(path, "absent"), free(0))).toBe(false);
    expect(readdirSync(path)).toEqual([]);
  });

  test("takes away what a crash has left half made", async () => {
    const path = await scratchDirectory();
    writeFileSync(join(path, "ballast.new"), "half");
    expect(await releaseBallast(path)).toBe(false);
    expect(readdirSync(path)).toEqual([]);
  });
});

describe("on a small disk", () => {
  const withMount = needs("mount");

  withMount("a full one has none, and no rest of one", async () => {
    const path = await smallFileSystem(8);
    await expect(keepBallast(path, ROOM, FLOOR)).rejects.toThrow("ENOSPC");
    expect(existsSync(join(path, BALLAST_FILE))).toBe(false);
    expect(existsSync(join(path, "ballast.new"))).toBe(false);
  });

  withMount("the stores open on a full one once it is given up", async () => {
    const path = await smallFileSystem(48);
    const options = { path: join(path, "data"), nodeId: "n1", maxConnections: 10 };
    await (await openDataDir(options)).close();
    const { bavail, bsize } = await statfs(path);
    await keepBallast(options.path, bavail * bsize, 0);
    fillUp(join(path, "filler"));
    expect((await statfs(path)).bavail).toBe(0);
    await expect(openDataDir(options)).rejects.toThrow();
    expect(await releaseBallast(options.path)).toBe(true);
    await (await openDataDir(options)).close();
  });
});

/** Takes every block that is left. */
function fillUp(path: string): void {
  const chunk = Buffer.alloc(4_096, 7);
  for (;;) {
    try {
      writeFileSync(path, chunk, { flag: "a" });
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
      return;
    }
  }
}
