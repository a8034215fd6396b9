/**
 * How this broker opens LevelDB: binary keys and values, never created by accident, and with
 * LevelDB's errors sorted into "in use", "damaged" and "the disk refuses". Opening a directory
 * whose CURRENT file is gone would otherwise start an empty database and delete the old tables.
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { ClassicLevel } from "classic-level";
import {
  DataDirInUse,
  messageOf,
  StorageDamage,
  StorageFault,
  type StoreName,
} from "./storage-error.ts";
import { checkTables } from "./table-check.ts";
import { checkWal } from "./wal-check.ts";

export type Level = ClassicLevel<Buffer, Buffer>;

/** `create`: may be made if absent (a first start only). `existing`: must be there. */
export type OpenMode = "create" | "existing";

export interface LevelOptions {
  readonly compression: boolean;
  /** Bytes; LevelDB keeps up to two such buffers in memory. */
  readonly writeBufferSize: number;
  /** Bytes of uncompressed blocks kept for reads. */
  readonly cacheSize: number;
}

/** File descriptors LevelDB may hold for tables, for each store. */
export const MAX_OPEN_FILES = 256;

/**
 * Opens the database or throws `DataDirInUse`, `StorageDamage` or `StorageFault`. Its files are
 * checked first: on some damaged tables LevelDB does not fail but aborts the process. And before
 * that, whether somebody else has it open: what is being written looks damaged to a reader.
 */
export async function openLevel(
  store: StoreName,
  directory: string,
  mode: OpenMode,
  options: LevelOptions,
): Promise<Level> {
  await checkFiles(store, directory, mode);
  const level: Level = new ClassicLevel<Buffer, Buffer>(directory, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: mode === "create",
    maxOpenFiles: MAX_OPEN_FILES,
    ...options,
  });
  try {
    await level.open();
  } catch (error) {
    throw sorted(store, directory, error);
  }
  return level;
}

async function checkFiles(store: StoreName, directory: string, mode: OpenMode): Promise<void> {
  try {
    await requireFiles(store, directory, mode);
    await refuseInUse(store, directory);
    await checkWal(store, directory);
    await checkTables(store, directory);
  } catch (error) {
    // Another broker may have come in between: then this is what it is writing.
    if (error instanceof StorageDamage) await refuseInUse(store, directory);
    throw error;
  }
}

/**
 * Throws `DataDirInUse`. LevelDB takes its lock before it looks at anything; told to open only what
 * does not exist, it then gives up at once. It would make a directory that is not there.
 */
export async function refuseInUse(store: StoreName, directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  const probe = new ClassicLevel(directory, { createIfMissing: false, errorIfExists: true });
  const error: unknown = await probe.open().then(
    () => undefined,
    (reason: unknown) => sorted(store, directory, reason),
  );
  if (error === undefined) await probe.close();
  if (error instanceof DataDirInUse) throw error;
}

/**
 * What LevelDB does not check for itself: a directory without a write-ahead log opens without
 * error and without the newest records. From its first open on there always is one.
 */
async function requireFiles(store: StoreName, directory: string, mode: OpenMode): Promise<void> {
  const names: string[] = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return [];
    }
    throw new StorageFault(store, `reading ${directory}`, error);
  });
  const present = names.includes("CURRENT");
  if (!present && (mode === "existing" || names.some((name) => name.endsWith(".ldb")))) {
    const what = names.length === 0 ? "the database is missing" : "its CURRENT file is missing";
    throw new StorageDamage(store, { what, where: directory });
  }
  if (mode === "existing" && !names.some((name) => name.endsWith(".log"))) {
    const what = "its write-ahead log (a file ending in .log) is missing";
    throw new StorageDamage(store, { what, where: directory });
  }
}

const MISSING = /Corruption|No such file|does not exist|missing files/;

function sorted(store: StoreName, directory: string, error: unknown): Error {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = (cause as { readonly code?: unknown }).code;
  if (code === "LEVEL_LOCKED") {
    return new DataDirInUse(dirname(directory), cause);
  }
  // Only what LevelDB calls corrupt, or misses, is damage: what cannot be read now may be read
  // later, and nobody must give up a sound directory for it.
  const isDamage = code === "LEVEL_CORRUPTION" || MISSING.test(messageOf(cause));
  if (!isDamage) return new StorageFault(store, `opening ${directory}`, cause);
  const what = `the database does not open: ${messageOf(cause)}`;
  return new StorageDamage(store, { what, where: directory }, error);
}
