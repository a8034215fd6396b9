/**
 * The file `restored` in a data directory: it was begun from a backup. It is there before anything
 * else, so that a directory in which a crash has left half of a restore is never a node's.
 * Checksummed, and replaced as a whole.
 *
 *     tq restored 1
 *     <JSON in one line>
 *     <CRC-32 of the lines above>
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { writeDurably } from "../storage/durable-file.ts";
import { StorageDamage, StorageFault } from "../storage/storage-error.ts";

export const RESTORE_NOTE = "restored";

export interface RestoreNote {
  /** `writing`: whatever lies beside it is worth nothing. */
  readonly phase: "writing" | "done";
  /** Of the backup. */
  readonly snapshotId: string;
  /** The cluster that it was taken from. */
  readonly from: string;
  /** RFC 3339. */
  readonly at: string;
}

const PATTERN = /^(tq restored 1\n(.*)\n)([0-9a-f]{8})\n$/;

/** undefined: there is none. Throws `StorageDamage` or `StorageFault`. */
export async function readRestoreNote(dataDir: string): Promise<RestoreNote | undefined> {
  const where = join(dataDir, RESTORE_NOTE);
  const content = await readFile(where, "utf8").catch((error: NodeJS.ErrnoException) => {
    // A directory that cannot be is told by whoever is to make it.
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new StorageFault("data directory", `reading ${where}`, error);
  });
  if (content === undefined) return undefined;
  const [, lines = "", json = "", checksum] = PATTERN.exec(content) ?? [];
  if (checksum !== checksumOf(lines)) {
    throw new StorageDamage("data directory", { what: "the file fails its checksum", where });
  }
  return JSON.parse(json) as RestoreNote;
}

export async function writeRestoreNote(dataDir: string, note: RestoreNote): Promise<void> {
  const where = join(dataDir, RESTORE_NOTE);
  const lines = `tq restored 1\n${JSON.stringify(note)}\n`;
  await writeDurably(where, `${lines}${checksumOf(lines)}\n`).catch((error) => {
    throw new StorageFault("data directory", `writing ${where}`, error);
  });
}

function checksumOf(lines: string): string {
  return crc32(lines).toString(16).padStart(8, "0");
}
