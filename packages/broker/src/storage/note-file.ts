/**
 * A note in a data directory: what a start must find whole or not at all. Checksummed, and replaced
 * as a whole.
 *
 *     tq <word> 1
 *     <JSON in one line>
 *     <CRC-32 of the lines above>
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { writeDurably } from "./durable-file.ts";
import { StorageDamage, StorageFault } from "./storage-error.ts";

/** A file's name, and the word in its first line. */
export interface NoteKind {
  readonly file: string;
  readonly word: string;
}

/** undefined: there is none. Throws `StorageDamage` or `StorageFault`. */
export async function readNote(dataDir: string, { file, word }: NoteKind): Promise<unknown> {
  const where = join(dataDir, file);
  const content = await readFile(where, "utf8").catch((error: NodeJS.ErrnoException) => {
    // A directory that cannot be is told by whoever is to make it.
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new StorageFault("data directory", `reading ${where}`, error);
  });
  if (content === undefined) return undefined;
  const [, header, json = "", checksum] = /^(.*\n)(.*)\n([0-9a-f]{8})\n$/.exec(content) ?? [];
  if (header !== headerOf(word) || checksum !== checksumOf(`${header}${json}\n`)) {
    throw new StorageDamage("data directory", { what: "the file fails its checksum", where });
  }
  return JSON.parse(json);
}

/** Throws `StorageFault`. */
export async function writeNote(
  dataDir: string,
  { file, word }: NoteKind,
  note: object,
): Promise<void> {
  const where = join(dataDir, file);
  const lines = `${headerOf(word)}${JSON.stringify(note)}\n`;
  await writeDurably(where, `${lines}${checksumOf(lines)}\n`).catch((error) => {
    throw new StorageFault("data directory", `writing ${where}`, error);
  });
}

function headerOf(word: string): string {
  return `tq ${word} 1\n`;
}

function checksumOf(lines: string): string {
  return crc32(lines).toString(16).padStart(8, "0");
}
