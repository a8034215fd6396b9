/**
 * Files of backups, encrypted or not: written so that a crash leaves a whole one or none, read from
 * the first byte to the last. A file is for its owner alone: it holds every payload.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { link, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { syncDirectory } from "../storage/durable-file.ts";
import type { BackupHeader } from "./format.ts";
import { KeyFileError } from "./key-file.ts";
import { READ_BYTES } from "./limits.ts";
import { type BackupPart, readBackup } from "./reader.ts";
import { SEAL_MAGIC, seal, unseal } from "./seal.ts";

const OWNER_ONLY = 0o600;

/** There is such a file already. */
export class FileExists extends Error {
  override readonly name = "FileExists";
}

/** What a file came to. */
export interface Written {
  readonly bytes: number;
  /** Of the file as it is, in hex. */
  readonly sha256: string;
}

export interface WriteOptions {
  /** To encrypt it with; undefined: it is not. */
  readonly key?: Uint8Array | undefined;
  /** Takes the place of a file of that name. */
  readonly replace?: boolean;
}

/** Under a name of its own until all of it is on disk. Throws `FileExists`, and what disks do. */
export async function writeBackup(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  { key, replace = false }: WriteOptions = {},
): Promise<Written> {
  // Before somebody waits for gigabytes; whether it still holds is seen at the end.
  await refuseUnfit(path);
  if (!replace) await refuseTaken(path);
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${randomBytes(4).toString("hex")}.part`,
  );
  try {
    const written = await writeNew(temporary, key === undefined ? bytes : seal(bytes, key));
    if (replace) await rename(temporary, path);
    else await putInPlace(temporary, path);
    await rm(temporary, { force: true });
    await syncDirectory(dirname(path));
    return written;
  } catch (error) {
    // What went wrong is to be told, not that nothing of it can be removed either.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** What file systems without links say. */
const NO_LINKS = /^(EPERM|ENOSYS|ENOTSUP|EOPNOTSUPP)$/;

/** A link, unlike a new name, never takes the place of a file that has appeared meanwhile. */
async function putInPlace(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (cause) {
    if (!NO_LINKS.test((cause as NodeJS.ErrnoException).code ?? "")) throwTaken(path, cause);
    await refuseTaken(path);
    await rename(temporary, path);
  }
}

async function writeNew(path: string, bytes: AsyncIterable<Uint8Array>): Promise<Written> {
  const file = await open(path, "wx", OWNER_ONLY);
  try {
    const written = await copyBackup(bytes, (piece) => file.writeFile(piece));
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}

/** To wherever `write` puts them; it is waited for. */
export async function copyBackup(
  bytes: AsyncIterable<Uint8Array>,
  write: (piece: Uint8Array) => Promise<unknown>,
): Promise<Written> {
  const digest = createHash("sha256");
  let count = 0;
  for await (const piece of bytes) {
    await write(piece);
    digest.update(piece);
    count += piece.length;
  }
  return { bytes: count, sha256: digest.digest("hex") };
}

async function refuseTaken(path: string): Promise<void> {
  if ((await found(path)) !== undefined) throwTaken(path, { code: "EEXIST" });
}

/** A folder or a device is never replaced: as root, a rename would do away with `/dev/null`. */
async function refuseUnfit(path: string): Promise<void> {
  const there = await found(path);
  const isFolder = there?.isDirectory() ?? /[/\\]$/.test(path);
  if (!isFolder && (there === undefined || there.isFile())) return;
  const what = isFolder ? "a folder: name a file in it" : "no file, and is not replaced by one";
  throw Object.assign(new Error(`${path} is ${what}`), { code: "EISDIR", path });
}

function found(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

function throwTaken(path: string, cause: unknown): never {
  if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  throw new FileExists(`${path} is there already`);
}

/** The parts of a file, each once it is known to be sound. Throws `SnapshotDamage`. */
export function readBackupFile(
  path: string,
  key: Uint8Array | undefined,
): AsyncGenerator<BackupPart> {
  return readBackup(openBackupFile(path, key));
}

/** What the file says of itself; nothing behind that is looked at. */
export async function readHeader(path: string, key: Uint8Array | undefined): Promise<BackupHeader> {
  for await (const part of readBackupFile(path, key)) if (part.kind === "head") return part.head;
  throw new SnapshotDamage("it is cut short");
}

async function* openBackupFile(
  path: string,
  key: Uint8Array | undefined,
): AsyncGenerator<Uint8Array> {
  const isSealed = await beginsSealed(path);
  if (isSealed && key === undefined) {
    throw new KeyFileError(`${path} is encrypted: name the file with its key`);
  }
  if (!isSealed && key !== undefined) {
    // Somebody who cannot encrypt could otherwise put a file of theirs in its place.
    throw new KeyFileError(`${path} is not encrypted: name no key file for it`);
  }
  const bytes = createReadStream(path, { highWaterMark: READ_BYTES });
  yield* isSealed ? unseal(bytes, key as Uint8Array) : bytes;
}

async function beginsSealed(path: string): Promise<boolean> {
  // What the system says of a folder names neither it nor the cause.
  if ((await stat(path)).isDirectory()) {
    throw Object.assign(new Error(`${path} is a folder, not a backup`), { code: "EISDIR", path });
  }
  const file = await open(path, "r");
  try {
    const first = Buffer.alloc(SEAL_MAGIC.length);
    await file.read(first, 0, first.length, 0);
    return first.toString("latin1") === SEAL_MAGIC;
  } finally {
    await file.close();
  }
}
