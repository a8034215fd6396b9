/**
 * A file that does nothing but take up room. LevelDB cannot even open on a full disk, for it writes
 * a table first; then this file is given up, the stores open, and the operator has a running broker
 * to make room with. It is made again once there is room.
 *
 * Its blocks are really taken, and its bytes do not repeat within any window that a file system
 * compresses by: zeros would cost nothing on ZFS or btrfs, and so would give nothing back.
 */
import { randomBytes } from "node:crypto";
import { open, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./durable-file.ts";

/** Two opening stores need a few hundred kilobytes, and what they do afterwards a few megabytes. */
export const BALLAST_BYTES = 16 * 1024 ** 2;
/** Written and synced by so much at a time, so that no entry of the log waits long behind it. */
const CHUNK_BYTES = 1024 ** 2;
/** Under this name in the data directory. */
export const BALLAST_FILE = "ballast";
const UNFINISHED_FILE = "ballast.new";

/** Bytes that this process may still write there. */
export type FreeBytes = (path: string) => Promise<number>;

/**
 * To be called before the stores of the data directory `path` are opened. True: the disk was so
 * full that the ballast was given up; say so in the log.
 */
export async function releaseBallast(
  path: string,
  freeBytes: FreeBytes = freeBytesOf,
): Promise<boolean> {
  // What a crash has left half made never becomes ballast.
  await rm(join(path, UNFINISHED_FILE), { force: true });
  const ballast = join(path, BALLAST_FILE);
  if ((await sizeOf(ballast)) === undefined) return false;
  if ((await freeBytes(path)) >= BALLAST_BYTES) return false;
  await rm(ballast, { force: true });
  await syncDirectory(path);
  return true;
}

/**
 * Makes the ballast if it is not there and `freeBytes` leave room for it above `floorBytes`, and at
 * least as much again: else a start that has given it up would make it, fill the disk and end, over
 * and over. To be called now and then; one call at a time. Rejects with what the disk says, and
 * leaves nothing.
 */
export async function keepBallast(
  path: string,
  freeBytes: number,
  floorBytes: number,
): Promise<void> {
  if (freeBytes <= Math.max(floorBytes, BALLAST_BYTES) + BALLAST_BYTES) return;
  if ((await sizeOf(join(path, BALLAST_FILE))) === BALLAST_BYTES) return;
  const unfinished = join(path, UNFINISHED_FILE);
  try {
    await fill(unfinished);
    await rename(unfinished, join(path, BALLAST_FILE));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await syncDirectory(path);
}

async function fill(path: string): Promise<void> {
  const chunk = randomBytes(CHUNK_BYTES);
  const file = await open(path, "w", 0o600);
  try {
    for (let left = BALLAST_BYTES; left > 0; left -= CHUNK_BYTES) {
      await file.writeFile(chunk);
      await file.datasync();
    }
  } finally {
    await file.close();
  }
}

/** undefined: no such file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
