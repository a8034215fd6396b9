/**
 * The queue machine's records as LevelDB keys and values. Their keys stand under a prefix of their
 * own, so that they cannot clash with the store's flush records. The CRC-32 covers key and value:
 * a value that LevelDB returns for the wrong key fails it.
 */
import { crc32 } from "node:zlib";
import { readUint64, writeUint64 } from "./uint64.ts";

const FLUSH_PREFIX = 0x00;
const RECORD_PREFIX = 0x01;
const CRC_BYTES = 4;

export const FLUSHES_FROM: Buffer = Buffer.from([FLUSH_PREFIX]);
export const RECORDS_FROM: Buffer = Buffer.from([RECORD_PREFIX]);

export function flushKey(sequence: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = FLUSH_PREFIX;
  writeUint64(key, sequence, 1);
  return key;
}

/** Undefined for a key that is no flush record's. */
export function sequenceOfKey(key: Buffer): number | undefined {
  return key.length === 9 && key[0] === FLUSH_PREFIX ? readUint64(key, 1) : undefined;
}

export function recordKey(key: Uint8Array | readonly number[]): Buffer {
  const prefixed = Buffer.allocUnsafe(key.length + 1);
  prefixed[0] = RECORD_PREFIX;
  prefixed.set(key, 1);
  return prefixed;
}

export function keyOfRecord(prefixed: Buffer): Uint8Array {
  return plain(prefixed, 1);
}

export function wrapValue(prefixedKey: Buffer, body: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(CRC_BYTES + body.length);
  value.writeUInt32BE(crc32(body, crc32(prefixedKey)), 0);
  value.set(body, CRC_BYTES);
  return value;
}

/** The body, a view on `value`, or undefined if it is not what was written under this key. */
export function unwrapValue(prefixedKey: Buffer, value: Buffer): Uint8Array | undefined {
  if (value.length < CRC_BYTES) {
    return undefined;
  }
  const body = plain(value, CRC_BYTES);
  return crc32(body, crc32(prefixedKey)) === value.readUInt32BE(0) ? body : undefined;
}

function plain(bytes: Buffer, from: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, bytes.length - from);
}
