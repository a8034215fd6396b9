/**
 * Checks LevelDB's write-ahead logs before LevelDB replays them, because its replay drops a bad
 * record and the rest of its 32 KiB block without a word. What a crash can leave, a torn record at
 * the very end, is fine: that write was never acknowledged. A bad record with the start of a later
 * one behind it was acknowledged, so it is damage. Reads only.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { StorageDamage, StorageFault, type StoreName } from "./storage-error.ts";
import { walFiles } from "./wal-files.ts";
import { BLOCK_BYTES, FIRST, FULL, fragmentAt, HEADER_BYTES, nextBlock } from "./wal-fragment.ts";

/** Throws `StorageDamage` naming the damaged file. Missing directories are not its business. */
export async function checkWal(store: StoreName, directory: string): Promise<void> {
  const names = await walFiles(directory).catch(() => []);
  for (const name of names) {
    const where = join(directory, name);
    const wal = await readFile(where).catch((error) => {
      throw new StorageFault(store, `reading ${where}`, error);
    });
    const at = walDamage(wal);
    if (at !== undefined) {
      const what = `a record at byte ${at}, before the last one, fails its checksum`;
      throw new StorageDamage(store, { what, where });
    }
  }
}

/** Offset of the first bad record that has a later write behind it, or undefined. */
export function walDamage(wal: Buffer): number | undefined {
  let at = 0;
  while (at < wal.length) {
    if (BLOCK_BYTES - (at % BLOCK_BYTES) < HEADER_BYTES) {
      at = nextBlock(at);
      continue;
    }
    const fragment = fragmentAt(wal, at);
    if (fragment === undefined) {
      return startsBehind(wal, at + 1) ? at : undefined;
    }
    at = fragment.end;
  }
  return undefined;
}

/** True if a whole fragment that begins a write lies at or after `from`. */
function startsBehind(wal: Buffer, from: number): boolean {
  for (let at = from; at + HEADER_BYTES <= wal.length; at++) {
    const type = wal[at + 6]!;
    if ((type === FULL || type === FIRST) && fragmentAt(wal, at) !== undefined) {
      return true;
    }
  }
  return false;
}
