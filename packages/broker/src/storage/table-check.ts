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
import { VarintReader } from "./varint-reader.ts";

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
  const footer = new VarintReader("the footer", table.subarray(footerAt));
  const metaIndex = readHandle(footer);
  const index = readHandle(footer);
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
  const end = block.length - 4 - restarts * 4;
  const entries = new VarintReader("an index block", block.subarray(0, end));
  const handles: Handle[] = [];
  while (!entries.done) {
    // An entry: bytes shared with the key before, bytes of its own key, length of its value.
    entries.varint();
    const keyBytes = entries.varint();
    entries.varint();
    entries.skip(keyBytes);
    handles.push(readHandle(entries));
  }
  return handles;
}

function readHandle(from: VarintReader): Handle {
  return { offset: from.varint(), size: from.varint() };
}
