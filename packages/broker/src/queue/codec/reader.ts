/**
 * Reads what a Writer wrote, and refuses everything else with CodecError: a length beyond the
 * end, a number that is not in its shortest form, broken UTF-8. Byte strings are views of the
 * input, never copies.
 */
import { CodecError } from "./codec-error.ts";

const SHORT_TEXT = 40;
const TEXT_CACHE = 2048;
/** Not frozen, like all its kind here: a loop over a frozen array takes V8 five times as long. */
const NO_TEXTS: readonly string[] = [];
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Types, queues and sessions come back by the thousand: known ones are compared, not decoded. */
const textCache: string[] = new Array<string>(TEXT_CACHE).fill("");

export class Reader {
  readonly #bytes: Uint8Array;
  #view: DataView | undefined;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Call when everything has been read. */
  end(): void {
    if (this.left !== 0) throw new CodecError(`${this.left} bytes too many`);
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new CodecError("ends too early");
    return value;
  }

  /** A byte below `limit`: a position in a table of names. */
  choice(limit: number): number {
    const value = this.byte();
    if (value >= limit) throw new CodecError(`choice ${value} of ${limit}`);
    return value;
  }

  flag(): boolean {
    return this.choice(2) === 1;
  }

  uint(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 128;
    for (let i = 1; i < 8; i++) {
      const next = this.byte();
      value += (next & 0x7f) * scale;
      if (next < 0x80) {
        if (next === 0) throw new CodecError("number not in its shortest form");
        if (value > Number.MAX_SAFE_INTEGER) throw new CodecError("number too large");
        return value;
      }
      scale *= 128;
    }
    throw new CodecError("number too long");
  }

  /** How many things follow, each of at least one byte. */
  count(): number {
    const count = this.uint();
    if (count > this.left) throw new CodecError(`${count} things in ${this.left} bytes`);
    return count;
  }

  ratio(): number {
    const value = this.#open(8).getFloat64(this.#at);
    this.#at += 8;
    if (!(value >= 0) || value === Number.POSITIVE_INFINITY || Object.is(value, -0)) {
      throw new CodecError("not a ratio");
    }
    return value;
  }

  word(): number {
    const value = this.#open(4).getUint32(this.#at);
    this.#at += 4;
    return value;
  }

  raw(size: number): Uint8Array {
    if (size > this.left) throw new CodecError(`${size} bytes of ${this.left}`);
    const from = this.#at;
    this.#at = from + size;
    return this.#bytes.subarray(from, this.#at);
  }

  /** Passes over these bytes if they are next. */
  takes(bytes: Uint8Array): boolean {
    const from = this.#at;
    if (bytes.length > this.left) return false;
    for (let i = 0; i < bytes.length; i++) if (this.#bytes[from + i] !== bytes[i]) return false;
    this.#at = from + bytes.length;
    return true;
  }

  /** A copy of what was read since `left` was this much. */
  since(left: number): Uint8Array {
    return this.#bytes.slice(this.#bytes.length - left, this.#at);
  }

  skip(size: number): void {
    if (size > this.left) throw new CodecError(`${size} bytes of ${this.left}`);
    this.#at += size;
  }

  bytes(): Uint8Array {
    return this.raw(this.uint());
  }

  text(): string {
    const size = this.uint();
    if (size === 0) return "";
    if (size > this.left) throw new CodecError(`${size} bytes of ${this.left}`);
    const from = this.#at;
    this.#at = from + size;
    if (size > SHORT_TEXT) return this.#decode(from, size);
    const bytes = this.#bytes;
    let hash = size;
    for (let i = from; i < from + size; i++)
      hash = Math.imul(hash ^ (bytes[i] as number), 16777619);
    const place = (hash ^ (hash >>> 15)) & (TEXT_CACHE - 1);
    const known = textCache[place] as string;
    if (sameText(known, bytes, from, size)) return known;
    const text = this.#decode(from, size);
    // Only ASCII can be recognised byte by byte.
    if (text.length === size) textCache[place] = text;
    return text;
  }

  texts(): readonly string[] {
    const count = this.count();
    if (count === 0) return NO_TEXTS;
    const values: string[] = [];
    for (let i = 0; i < count; i++) values.push(this.text());
    return values;
  }

  #decode(from: number, size: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(from, from + size));
    } catch (cause) {
      throw new CodecError("text is not UTF-8", { cause });
    }
  }

  #open(size: number): DataView {
    if (size > this.left) throw new CodecError("ends too early");
    const bytes = this.#bytes;
    this.#view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#view;
  }
}

function sameText(text: string, bytes: Uint8Array, from: number, size: number): boolean {
  if (text.length !== size) return false;
  for (let i = 0; i < size; i++) {
    if (text.charCodeAt(i) !== bytes[from + i]) return false;
  }
  return true;
}
