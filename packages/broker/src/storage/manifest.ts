/**
 * What a LevelDB database consists of, as its MANIFEST says. A process that is killed while LevelDB
 * writes a table leaves a piece of it behind that belongs to nothing; LevelDB removes it at the
 * next open. Only what the MANIFEST lists can be damaged. Reads only.
 *
 * The MANIFEST is a log of edits: tables that came and tables that went, tag by tag. One that has
 * lost its end opens without a word as the database of an earlier time. But each edit also names
 * the oldest write-ahead log that is still needed, and LevelDB removes a log only once a later edit
 * is on disk: where the log that the last edit names is missing, later edits are.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { StorageDamage, StorageFault, type StoreName } from "./storage-error.ts";
import { VarintReader } from "./varint-reader.ts";
import {
  BLOCK_BYTES,
  FIRST,
  FULL,
  fragmentAt,
  HEADER_BYTES,
  LAST,
  nextBlock,
} from "./wal-fragment.ts";

export interface Manifest {
  /** Size in bytes of each table that is in use, by its number. */
  readonly tables: ReadonlyMap<number, number>;
  /** Of the oldest write-ahead log that is needed; 0: none was ever named. */
  readonly walNumber: number;
}

/**
 * Empty for a database that does not exist yet. Throws `StorageDamage` or `StorageFault`; what is
 * wrong with the MANIFEST beyond that is found by LevelDB, which reads it with its checksums.
 */
export async function readManifest(store: StoreName, directory: string): Promise<Manifest> {
  const current = await read(store, join(directory, "CURRENT"));
  if (current === undefined) {
    return { tables: new Map(), walNumber: 0 };
  }
  const name = /^(MANIFEST-\d+)\n$/.exec(current.toString("latin1"))?.[1];
  if (name === undefined) {
    throw new StorageDamage(store, { what: "its CURRENT file is not valid", where: directory });
  }
  const where = join(directory, name);
  const manifest = await read(store, where);
  if (manifest === undefined) {
    throw new StorageDamage(store, { what: `its ${name} file is missing`, where: directory });
  }
  try {
    return decodeManifest(manifest);
  } catch (error) {
    throw new StorageDamage(store, { what: "its MANIFEST cannot be read", where }, error);
  }
}

async function read(store: StoreName, where: string): Promise<Buffer | undefined> {
  return await readFile(where).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw new StorageFault(store, `reading ${where}`, error);
  });
}

/** Throws a `RangeError` for an edit that cannot be read. */
export function decodeManifest(file: Buffer): Manifest {
  const manifest = { tables: new Map<number, number>(), walNumber: 0 };
  for (const record of recordsOf(file)) {
    applyEdit(manifest, new VarintReader("an edit", record));
  }
  return manifest;
}

/** Up to the first that is not whole: a crash may have torn the last one. */
function* recordsOf(file: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  let at = 0;
  while (at < file.length) {
    if (BLOCK_BYTES - (at % BLOCK_BYTES) < HEADER_BYTES) {
      at = nextBlock(at);
      continue;
    }
    const fragment = fragmentAt(file, at);
    if (fragment === undefined) {
      return;
    }
    if (fragment.type === FULL || fragment.type === FIRST) {
      parts = [];
    }
    parts.push(fragment.data);
    if (fragment.type === FULL || fragment.type === LAST) {
      yield Buffer.concat(parts);
    }
    at = fragment.end;
  }
}

const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLogNumber: 9,
} as const;

interface Tables {
  readonly tables: Map<number, number>;
  walNumber: number;
}

/** An edit lists first what goes, then what comes. */
function applyEdit(manifest: Tables, edit: VarintReader): void {
  const skipBytes = (): void => edit.skip(edit.varint());
  while (!edit.done) {
    const tag = edit.varint();
    switch (tag) {
      case TAG.comparator:
        skipBytes();
        break;
      case TAG.logNumber:
        manifest.walNumber = edit.varint();
        break;
      case TAG.nextFileNumber:
      case TAG.lastSequence:
      case TAG.previousLogNumber:
        edit.varint();
        break;
      case TAG.compactPointer:
        edit.varint();
        skipBytes();
        break;
      case TAG.deletedFile:
        edit.varint();
        manifest.tables.delete(edit.varint());
        break;
      case TAG.newFile:
        edit.varint();
        manifest.tables.set(edit.varint(), edit.varint());
        skipBytes();
        skipBytes();
        break;
      default:
        throw new RangeError(`an edit with tag ${tag}`);
    }
  }
}
