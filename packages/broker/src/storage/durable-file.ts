/**
 * Small files that are replaced as a whole and survive a power cut: written beside their place,
 * fsynced, renamed, and the directory fsynced. A crash leaves the old file or the new one.
 */
import { randomBytes } from "node:crypto";
import { link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Creates or replaces the file. */
export async function writeDurably(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = temporaryFor(path);
  await writeSynced(temporary, content);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Creates the file; false if there is one already, which then is left alone. */
export async function createDurably(path: string, content: Uint8Array): Promise<boolean> {
  const temporary = temporaryFor(path);
  await writeSynced(temporary, content);
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      return false;
    }
    throw error;
  } finally {
    await rm(temporary, { force: true });
    await syncDirectory(dirname(path));
  }
}

/** Makes creations, renames and removals in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A name of its own for every call: two brokers may be starting in one directory. */
function temporaryFor(path: string): string {
  return `${path}.${randomBytes(4).toString("hex")}.new`;
}

async function writeSynced(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
