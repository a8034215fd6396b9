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

/** So many bytes of a table, from `offset` on. */
export interface Stretch {
  readonly offset: number;
  readonly size: number;
}

/** Where a block's content is; its trailer stands behind it. */
type Handle = Stretch;

/** Less than a millisecond's worth. */
export const PIECE_BYTES = 256 * 1024;
const FOOTER_BYTES = 48;
/** Type and checksum. */
const TRAILER_BYTES = 5;
const SUM_BYTES = 4;
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
  const check = checkTable(table.length);
  try {
    for (let next = check.next(); next.done !== true; ) {
      const { offset, size } = next.value;
      next = check.next(table.subarray(offset, offset + size));
    }
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Checks a table of so many bytes. Asks for one stretch of it after the other, which may be
 * overwritten once it asks for the next. Throws a `RangeError` at the first thing that is wrong.
 */
export function* checkTable(length: number): Generator<Stretch, void, Buffer> {
  const footerAt = length - FOOTER_BYTES;
  const footer = footerAt < 0 ? undefined : yield { offset: footerAt, size: FOOTER_BYTES };
  if (footer === undefined || footer.toString("hex", FOOTER_BYTES - 8) !== MAGIC) {
    throw new RangeError("the table has no valid footer");
  }
  const handles = new VarintReader("the footer", footer);
  const metaIndex = readHandle(handles);
  const index = readHandle(handles);
  const leaves: Handle[] = [];
  for (const handle of [metaIndex, index]) {
    for (const leaf of handlesIn(yield* wholeBlock(length, handle))) leaves.push(leaf);
  }
  for (const leaf of leaves) {
    if (leaf.size + TRAILER_BYTES <= PIECE_BYTES) yield* wholeBlock(length, leaf);
    else yield* largeBlock(length, leaf);
  }
  // Blocks do not overlap, so when their sizes add up there is no byte outside a checked block.
  const covered = [metaIndex, index, ...leaves].reduce((sum, handle) => sum + handle.size, 0);
  const trailers = (leaves.length + 2) * TRAILER_BYTES;
  if (covered + trailers !== footerAt) {
    throw new RangeError("the table's blocks do not add up to its length");
  }
}

/** The block's plain content and its type; throws unless its checksum, of both, holds. */
function* wholeBlock(length: number, handle: Handle): Generator<Stretch, Uint8Array, Buffer> {
  checkReach(length, handle);
  const { offset, size } = handle;
  const block = yield { offset, size: size + TRAILER_BYTES };
  const content = block.subarray(0, size + 1);
  checkSum(handle, crc32c(content), block.readUInt32LE(size + 1));
  return content;
}

/** One that is not looked into needs never be in memory as a whole. */
function* largeBlock(length: number, handle: Handle): Generator<Stretch, void, Buffer> {
  checkReach(length, handle);
  const sumAt = handle.offset + handle.size + 1;
  let crc = 0;
  for (let offset = handle.offset; offset < sumAt; offset += PIECE_BYTES) {
    crc = crc32c(yield { offset, size: Math.min(PIECE_BYTES, sumAt - offset) }, crc);
  }
  const stored = yield { offset: sumAt, size: SUM_BYTES };
  checkSum(handle, crc, stored.readUInt32LE());
}

function checkReach(length: number, { offset, size }: Handle): void {
  if (offset + size + TRAILER_BYTES <= length) return;
  throw new RangeError(`the block at ${offset} reaches beyond the table`);
}

function checkSum({ offset }: Handle, crc: number, stored: number): void {
  if (masked(crc) !== stored) throw new RangeError(`the block at ${offset} fails its checksum`);
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
