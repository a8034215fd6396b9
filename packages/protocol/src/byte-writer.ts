/**
 * A growing buffer that frames are written into back to back, so that all frames of a turn leave in
 * one write. The owner reads `view()`, copies or sends it, and calls `clear()`; nothing else may
 * keep a reference to the view.
 */
import { HEADER_BYTES, STRING_BYTES_MAX } from "./limits.ts";
import { ProtocolError } from "./protocol-error.ts";

const INITIAL_BYTES = 4 * 1024;
/** A buffer that one large frame made grow is not kept for the small ones. */
const KEPT_BYTES_MAX = 256 * 1024;
/** Above this the native encoder beats a loop in JavaScript. */
const ASCII_LOOP_MAX = 64;
const TWO_32 = 2 ** 32;

const encoder = new TextEncoder();

export class ByteWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #frameStart = 0;

  get length(): number {
    return this.#length;
  }

  /** What has been written; valid until the next write or `clear`. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#replace(new Uint8Array(INITIAL_BYTES));
  }

  /** Drops everything written since `length` was this much. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = length;
  }

  /** Opens a frame; its length is filled in by `endFrame`. */
  beginFrame(type: number, requestId: number): void {
    this.#frameStart = this.#length;
    this.#reserve(HEADER_BYTES);
    this.#length += 4;
    this.u8(type);
    this.u32(requestId);
  }

  endFrame(): void {
    this.#view.setUint32(this.#frameStart, this.#length - this.#frameStart - 4);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value);
    this.#length += 2;
  }

  /** Above its range it is held at the greatest value: for durations, which only shrink by it. */
  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value >= TWO_32 ? TWO_32 - 1 : value);
    this.#length += 4;
  }

  /** A whole number of 0 to 2^53 - 1. */
  u64(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new ProtocolError(`${value} is not a whole number of 0 to 2^53 - 1`);
    }
    this.#reserve(8);
    this.#view.setUint32(this.#length, Math.floor(value / TWO_32));
    this.#view.setUint32(this.#length + 4, value % TWO_32);
    this.#length += 8;
  }

  /** A finite number. */
  f64(value: number): void {
    if (!Number.isFinite(value)) throw new ProtocolError(`${value} is not a finite number`);
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value);
    this.#length += 8;
  }

  /** Exactly these bytes, without a length. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Bytes with a 32-bit length. */
  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** UTF-8 with a 16-bit length. */
  string(text: string): void {
    this.#reserve(2 + text.length * 3);
    const start = this.#length + 2;
    const length = this.#ascii(text, start) ? text.length : this.#utf8(text, start);
    if (length > STRING_BYTES_MAX) {
      throw new ProtocolError(`a text of ${length} bytes is longer than ${STRING_BYTES_MAX}`);
    }
    this.#view.setUint16(this.#length, length);
    this.#length = start + length;
  }

  #ascii(text: string, start: number): boolean {
    if (text.length > ASCII_LOOP_MAX) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[start + i] = unit;
    }
    return true;
  }

  #utf8(text: string, start: number): number {
    return encoder.encodeInto(text, this.#bytes.subarray(start)).written;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.view());
    this.#replace(grown);
  }

  #replace(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
