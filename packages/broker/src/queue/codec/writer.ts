/**
 * Appends canonical bytes to chunks that many records share: allocating one buffer per record
 * would cost more than encoding it. A chunk is never reused, so a finished record stays as it is
 * for ever.
 *
 * Numbers are little-endian base-128 in their shortest form, text is UTF-8 with its length before
 * it.
 */
import { assert } from "../assert.ts";

const CHUNK_BYTES = 64 * 1024;
const SHORT_TEXT = 48;
const SMALL_COPY = 24;
const encoder = new TextEncoder();

export class Writer {
  #bytes = new Uint8Array(CHUNK_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #at = 0;

  /** Starts a record; drops what a failed one may have left. */
  begin(): void {
    this.#start = this.#at;
  }

  /** The bytes written since `begin`. */
  finish(): Uint8Array {
    const record = this.#bytes.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return record;
  }

  byte(value: number): void {
    if (this.#at === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** A whole number from 0 to 2^53 - 1. */
  uint(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#reserve(8);
    let rest = value;
    if (rest >= 0x8000_0000) {
      assert(Number.isSafeInteger(rest), "only whole numbers below 2^53 can be encoded");
      while (rest >= 0x8000_0000) {
        this.#bytes[this.#at++] = (rest % 128) | 0x80;
        rest = Math.floor(rest / 128);
      }
    }
    assert(rest >>> 0 === rest, "only whole numbers from 0 on can be encoded");
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  /** A finite number that is not negative; for shares and factors. */
  ratio(value: number): void {
    assert(value >= 0 && value < Number.POSITIVE_INFINITY, "a ratio is finite and not negative");
    if (this.#at + 8 > this.#bytes.length) this.#reserve(8);
    this.#view.setFloat64(this.#at, value + 0);
    this.#at += 8;
  }

  word(value: number): void {
    if (this.#at + 4 > this.#bytes.length) this.#reserve(4);
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  /** Bytes whose number the reader knows. */
  raw(value: Uint8Array): void {
    const size = value.length;
    if (this.#at + size > this.#bytes.length) this.#reserve(size);
    if (size <= SMALL_COPY) {
      for (let i = 0; i < size; i++) this.#bytes[this.#at + i] = value[i] as number;
    } else {
      this.#bytes.set(value, this.#at);
    }
    this.#at += size;
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.raw(value);
  }

  text(value: string): void {
    const length = value.length;
    if (length > SHORT_TEXT) {
      this.#encodeText(value);
      return;
    }
    if (this.#at + length + 1 > this.#bytes.length) this.#reserve(length + 1);
    const from = this.#at;
    const bytes = this.#bytes;
    bytes[from] = length;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) {
        this.#encodeText(value);
        return;
      }
      bytes[from + 1 + i] = unit;
    }
    this.#at = from + 1 + length;
  }

  texts(values: readonly string[]): void {
    this.uint(values.length);
    for (const value of values) this.text(value);
  }

  #encodeText(value: string): void {
    // A UTF-16 unit never needs more than three bytes; the length comes first but is known last.
    const room = 8;
    this.#reserve(value.length * 3 + room);
    const from = this.#at + room;
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(from));
    this.uint(written);
    this.#bytes.copyWithin(this.#at, from, from + written);
    this.#at += written;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const used = this.#at - this.#start;
    const next = new Uint8Array(Math.max(CHUNK_BYTES, (used + more) * 2));
    next.set(this.#bytes.subarray(this.#start, this.#at));
    this.#bytes = next;
    this.#view = new DataView(next.buffer);
    this.#start = 0;
    this.#at = used;
  }
}

/**
 * Of all encoders: records of one kind of life share chunks, and no state is kept between
 * records.
 */
export const sharedWriter = new Writer();
