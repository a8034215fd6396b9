/**
 * Reads the body of one frame. Every length is checked against what is there before anything is
 * allocated; byte fields are views into the frame, never copies. Only `ProtocolError` is thrown.
 */
import { ProtocolError } from "./protocol-error.ts";

/** Above this the native decoder beats a loop in JavaScript. */
const ASCII_LOOP_MAX = 48;
/** Slots of the table of names seen lately; a power of two. */
const NAME_SLOTS = 1_024;
const NAME_BYTES_MAX = 64;
const TWO_32 = 2 ** 32;
const TWO_21 = 2 ** 21;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const names: (string | undefined)[] = new Array<undefined>(NAME_SLOTS).fill(undefined);

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u64(): number {
    const at = this.#advance(8);
    const high = this.#view.getUint32(at);
    if (high >= TWO_21) throw new ProtocolError("a number is 2^53 or more");
    return high * TWO_32 + this.#view.getUint32(at + 4);
  }

  /** A finite number; not-a-number and the infinities have no meaning in this protocol. */
  f64(): number {
    const value = this.#view.getFloat64(this.#advance(8));
    if (!Number.isFinite(value)) throw new ProtocolError("a number is not finite");
    return value;
  }

  raw(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  bytes(): Uint8Array {
    return this.raw(this.u32());
  }

  string(): string {
    const length = this.u16();
    const start = this.#advance(length);
    return this.#text(start, length);
  }

  /**
   * The same as `string`, for the few names that come again and again (types and queues): the table
   * hands out the text made last time, which spares the decoding and the garbage.
   */
  name(): string {
    const length = this.u16();
    const start = this.#advance(length);
    if (length > NAME_BYTES_MAX) return this.#text(start, length);
    let hash = length;
    for (let i = start; i < start + length; i++) {
      hash = Math.imul(hash ^ this.#bytes[i]!, 0x01000193);
    }
    const slot = (hash ^ (hash >>> 15)) & (NAME_SLOTS - 1);
    const known = names[slot];
    if (known !== undefined && this.#spells(known, start, length)) return known;
    const text = this.#text(start, length);
    names[slot] = text;
    return text;
  }

  /** A count of items of which each takes at least `itemBytes` more. */
  count(itemBytes: number, max: number): number {
    const count = this.u32();
    if (count > max) throw new ProtocolError(`a list of ${count} is longer than ${max}`);
    if (count * itemBytes > this.left) throw new ProtocolError("a list is longer than its frame");
    return count;
  }

  /** A frame must end where its last field ends. */
  end(): void {
    if (this.left !== 0) throw new ProtocolError(`${this.left} bytes too many`);
  }

  #spells(text: string, start: number, length: number): boolean {
    if (text.length !== length) return false;
    for (let i = 0; i < length; i++) {
      if (text.charCodeAt(i) !== this.#bytes[start + i]) return false;
    }
    // Characters above 127 take two bytes or more, so equal lengths of equal units are ASCII only
    // when every byte is below 128; a byte of 128 to 255 is never a whole character in UTF-8.
    return !this.#beyondAscii(start, length);
  }

  #beyondAscii(start: number, length: number): boolean {
    for (let i = start; i < start + length; i++) if (this.#bytes[i]! >= 0x80) return true;
    return false;
  }

  #text(start: number, length: number): string {
    if (length > ASCII_LOOP_MAX || this.#beyondAscii(start, length)) {
      return this.#decode(start, length);
    }
    let text = "";
    for (let i = start; i < start + length; i++) text += String.fromCharCode(this.#bytes[i]!);
    return text;
  }

  #decode(start: number, length: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(start, start + length));
    } catch (cause) {
      throw new ProtocolError("a text is not UTF-8", { cause });
    }
  }

  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw new ProtocolError("the frame ends too early");
    this.#at = at + length;
    return at;
  }
}
