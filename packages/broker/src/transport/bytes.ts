/**
 * Writing and reading of the bus's binary bodies: little numbers as varints, runs of bytes with
 * their length in front, and seals.
 *
 * A seal is the CRC-32 of everything since the seal before it (or since the start). Every byte of a
 * body lies under exactly one seal, so that a flipped bit anywhere is found before its value is
 * believed by anybody. The reader trusts nothing: each length is checked against what is there
 * before it is used, and every fault is a `CodecError`, never a wild read.
 */
import { ok as assert } from "node:assert/strict";
import { crc32 } from "node:zlib";

/** The bytes are not what the protocol says; the message tells what and where. */
export class CodecError extends Error {
  override readonly name = "CodecError";
}

const SEAL_BYTES = 4;

/** Appends to a buffer of its own, which grows; `finish` hands it over. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;
  #sealed = 0;

  /** `capacity` is a guess of the final size in bytes; too small only costs a copy. */
  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** A whole number, 0 to 2^53 - 1, seven bits a byte, lowest first. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `not a whole number from 0: ${value}`);
    this.#reserve(8);
    let rest = value;
    // Bit operators know 32 bits only; above that, arithmetic.
    while (rest > 0x7fffffff) {
      this.#buffer[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  /** Bytes whose number the reader knows. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A length and that many bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** The CRC-32 of everything since the last seal. */
  seal(): void {
    this.#reserve(SEAL_BYTES);
    const sum = crc32(this.#buffer.subarray(this.#sealed, this.#length));
    this.#buffer.writeUInt32LE(sum, this.#length);
    this.#length += SEAL_BYTES;
    this.#sealed = this.#length;
  }

  /** All that was written, which must end with a seal. */
  finish(): Buffer {
    assert(this.#sealed === this.#length, "bytes after the last seal");
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads what a `ByteWriter` wrote; throws `CodecError` on anything else. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #position = 0;
  #sealed = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#position === this.#bytes.length;
  }

  u8(): number {
    const value = this.#bytes[this.#position];
    if (value === undefined) throw new CodecError(`cut short after ${this.#position} bytes`);
    this.#position++;
    return value;
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw new CodecError(`${value} at byte ${this.#position - 1} is not 0 or 1`);
    return value === 1;
  }

  varint(): number {
    const start = this.#position;
    let value = 0;
    let scale = 1;
    for (let length = 1; length <= 8; length++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte >= 0x80) continue;
      const canonical = length === 1 || byte !== 0;
      if (canonical && value <= Number.MAX_SAFE_INTEGER) return value;
      break;
    }
    throw new CodecError(`no number at byte ${start}`);
  }

  /** The next `length` bytes, not copied. */
  raw(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#position) {
      throw new CodecError(`${length} bytes announced at byte ${this.#position}, fewer are there`);
    }
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  /** A length and that many bytes, not copied. */
  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  /** Verifies the seal that must stand here. `what` names the sealed part in the error. */
  seal(what: string): void {
    const sum = crc32(this.#bytes.subarray(this.#sealed, this.#position));
    const at = this.raw(SEAL_BYTES);
    const written = (at[0]! | (at[1]! << 8) | (at[2]! << 16) | (at[3]! << 24)) >>> 0;
    if (written !== sum) {
      throw new CodecError(`${what} fails its CRC-32: ${hex(written)} written, ${hex(sum)} found`);
    }
    this.#sealed = this.#position;
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
