/**
 * A backup that nobody asked for must not fill a disk, least of all the one that the broker itself
 * writes to: it is given up where less room is left than brokers keep free.
 */
import { statfs } from "node:fs/promises";
import { ROOM_LOOK_BYTES } from "./limits.ts";

const MIB = 1024 * 1024;

/** Passes the bytes on; throws once less than `floorBytes` are left on the disk of `directory`. */
export async function* whileRoom(
  bytes: AsyncIterable<Uint8Array>,
  directory: string,
  floorBytes: number,
): AsyncGenerator<Uint8Array, void> {
  let left = 0;
  for await (const piece of bytes) {
    left -= piece.length;
    if (left < 0) {
      await checkRoom(directory, floorBytes);
      left = ROOM_LOOK_BYTES;
    }
    yield piece;
  }
}

async function checkRoom(directory: string, floorBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (free >= floorBytes) return;
  const [has, needs] = [free, floorBytes].map((each) => Math.floor(each / MIB));
  throw new Error(
    `${has} MiB are left on the disk of ${directory}, fewer than the ${needs} of ` +
      "persistence.min_free_disk: make room there",
  );
}
