/**
 * How LevelDB frames records in its write-ahead logs and its MANIFEST: fragments that do not cross
 * the borders of 32 KiB blocks, each with a checksum, a length and its place in the record.
 *
 *     checksum u32 | length u16 | type u8 | data
 */
import { crc32c, masked } from "./crc32c.ts";

export const BLOCK_BYTES = 32_768;
/** What is left of a block and shorter than this is padding. */
export const HEADER_BYTES = 7;
/** Types: the whole record, or its first, middle, last fragment. */
export const FULL = 1;
export const FIRST = 2;
export const LAST = 4;

export interface Fragment {
  readonly type: number;
  readonly data: Buffer;
  readonly end: number;
}

/** The fragment at this offset if it is whole and its checksum holds. */
export function fragmentAt(file: Buffer, at: number): Fragment | undefined {
  const dataAt = at + HEADER_BYTES;
  if (dataAt > file.length) {
    return undefined;
  }
  const type = file[at + 6]!;
  const end = dataAt + file.readUInt16LE(at + 4);
  if (type < FULL || type > LAST || end > file.length || end > nextBlock(at)) {
    return undefined;
  }
  const crc = masked(crc32c(file.subarray(at + 6, end)));
  return crc === file.readUInt32LE(at)
    ? { type, data: file.subarray(dataAt, end), end }
    : undefined;
}

/** Where the block after the one of `at` begins. */
export function nextBlock(at: number): number {
  return at - (at % BLOCK_BYTES) + BLOCK_BYTES;
}
