/**
 * The small file that names the live state directory. Replacing it is the one step that switches
 * to another state, so it is replaced as a whole and checksummed: line 1 what it is, line 2 the
 * directory, line 3 the CRC-32 of the first two.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { writeDurably } from "./durable-file.ts";
import { StorageDamage, StorageFault } from "./storage-error.ts";

export const STATE_POINTER = "state.pointer";

const HEADER = "tq state pointer 1";

/** Makes `state-<number>` the live state of this data directory. */
export async function writeStatePointer(dataDir: string, number: number): Promise<void> {
  const lines = `${HEADER}\nstate-${number}\n`;
  await writeDurably(join(dataDir, STATE_POINTER), `${lines}${checksum(lines)}\n`);
}

/** The name of the live state directory, or undefined if there is no pointer. */
export async function readStatePointer(dataDir: string): Promise<string | undefined> {
  const where = join(dataDir, STATE_POINTER);
  const content = await readFile(where, "latin1").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw new StorageFault("state", `reading ${where}`, error);
  });
  if (content === undefined) {
    return undefined;
  }
  const parts = /^(tq state pointer 1\n(state-\d+)\n)([0-9a-f]{8})\n$/.exec(content);
  if (parts === null || checksum(parts[1]!) !== parts[3]) {
    throw new StorageDamage("state", { what: "the state pointer fails its checksum", where });
  }
  return parts[2]!;
}

function checksum(lines: string): string {
  return crc32(lines).toString(16).padStart(8, "0");
}
