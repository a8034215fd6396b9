/**
 * Checks every block of every table (.ldb file) of a LevelDB database against the checksum LevelDB
 * wrote and then never looks at: a single flipped bit in a filter or key would otherwise
 * make a record silently absent, or bring back an older value, which no checksum inside our
 * values can show. Every byte of a table is covered. Reads only.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32c, masked } from "./crc32c.ts";
import { readManifest } from "./manifest.ts";
import { unsnappy } from "./snappy.ts";
import { messageOf, StorageDamage, StorageFault, type StoreName } from "./storage-error.ts";

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** Some milliseconds' worth. */
const SLICE_BYTES = 1 << 20;
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = "57fb808b247547db";

/** Throws `StorageDamage` naming the first damaged table, or the MANIFEST that has lost its end. */
export async function checkTables(store: StoreName, directory: string): Promise<void> {
  const { tables, walNumber } = await readManifest(store, directory);
  await checkWalIsThere(store, directory, walNumber);
  for (const [number, size] of tables) {
    const where = join(directory, `${String(number).padStart(6, "0")}.ldb`);
    const table = await readFile(where).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") {
        throw new StorageDamage(store, { what: "the table is missing", where });
      }
      throw new StorageFault(store, `reading ${where}`, error);
    });
    const what =
      table.length === size
        ? tableDamage(table)
        : `the table has ${table.length} bytes instead of ${size}`;
    if (what !== undefined) {
      throw new StorageDamage(store, { what, where });
    }
  }
}

/** See `Manifest.walNumber`. */
async function checkWalIsThere(
  store: StoreName,
  directory: string,
  walNumber: number,
): Promise<void> {
  const wal = `${String(walNumber).padStart(6, "0")}.log`;
  if (walNumber > 0 && !(await readdir(directory)).includes(wal)) {
    const what = `its MANIFEST has lost its end: it asks for ${wal}, which is gone`;
    throw new StorageDamage(store, { what, where: directory });
  }
}

/** What is wrong with a table, or undefined. */
export function tableDamage(table: Buffer): string | undefined {
  try {
    for (const _block of checkTable(table));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Throws at the first thing that is wrong. Yields between blocks, for who has other work, too. */
export function* checkTable(table: Buffer): Generator<void, void> {
  const footerAt = table.length - FOOTER_BYTES;
  if (footerAt < 0 || table.toString("hex", table.length - 8) !== MAGIC) {
    throw new RangeError("the table has no valid footer");
  }
  const footer = new Cursor(table.subarray(footerAt));
  const metaIndex = footer.handle();
  const index = footer.handle();
  const leaves = [metaIndex, index].flatMap((handle) => handlesIn(checkedBlock(table, handle)));
  let unbroken = 0;
  for (const leaf of leaves) {
    checkedBlock(table, leaf);
    unbroken += leaf.size;
    if (unbroken >= SLICE_BYTES) {
      unbroken = 0;
      yield;
    }
  }
  // Blocks do not overlap, so when their sizes add up there is no byte outside a checked block.
  const covered = [metaIndex, index, ...leaves].reduce((sum, handle) => sum + handle.size, 0);
  const trailers = (leaves.length + 2) * TRAILER_BYTES;
  if (covered + trailers !== footerAt) {
    throw new RangeError("the table's blocks do not add up to its length");
  }
}

/** The block's plain content; throws unless its checksum holds. */
function checkedBlock(table: Buffer, { offset, size }: Handle): Uint8Array {
  const end = offset + size;
  if (end + TRAILER_BYTES > table.length) {
    throw new RangeError(`the block at ${offset} reaches beyond the table`);
  }
  // The checksum covers the type byte behind the block as well.
  const crc = masked(crc32c(table.subarray(offset, end + 1)));
  if (crc !== table.readUInt32LE(end + 1)) {
    throw new RangeError(`the block at ${offset} fails its checksum`);
  }
  return table.subarray(offset, end + 1);
}

/** The handles in an index block: its entries' values, whatever the keys. */
function handlesIn(blockAndType: Uint8Array): readonly Handle[] {
  const stored = blockAndType.subarray(0, -1);
  const block = blockAndType.at(-1) === 0 ? stored : unsnappy(stored);
  const restarts = Buffer.from(block.subarray(-4)).readUInt32LE();
  const entries = new Cursor(block.subarray(0, block.length - 4 - restarts * 4));
  const handles: Handle[] = [];
  while (!entries.done) {
    entries.varint();
    entries.skip(entries.varint(), () => handles.push(entries.handle()));
  }
  return handles;
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) {
        break;
      }
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        return value;
      }
    }
    throw new RangeError("an index block is cut short");
  }

  handle(): Handle {
    return { offset: this.varint(), size: this.varint() };
  }

  /** The rest of an entry: length of its value, a key of `keyBytes`, then the value. */
  skip(keyBytes: number, value: () => void): void {
    this.varint();
    this.#at += keyBytes;
    value();
  }
}
