/**
 * Cuts a stream of chunks into frames. A frame that lies whole in one chunk is a view into it; only
 * a frame that straddles chunks is copied, each byte a bounded number of times however small the
 * chunks are. A length is checked before anything is allocated, and memory follows the bytes that
 * have arrived rather than the length that was announced.
 */
import { HEADER_BYTES } from "./limits.ts";
import { ProtocolError } from "./protocol-error.ts";

export interface Frame {
  readonly type: number;
  readonly requestId: number;
  readonly body: Uint8Array;
}

const LENGTH_BYTES = 4;
const FIRST_PART_BYTES = 4 * 1024;
/** "HTTP", which is what a server of HTTP begins its refusal of a hello with. */
const HTTP_ANSWER = 0x48545450;
const EMPTY = new Uint8Array(0);

export class FrameReader {
  #maxBytes: number;
  /** Bytes of the newest chunk that no frame has taken yet. */
  #chunk: Uint8Array = EMPTY;
  /** The frame under way, length field included, when it straddles chunks. */
  #part: Uint8Array = EMPTY;
  #partBytes = 0;

  /** `maxBytes`: the greatest value of a length field that is accepted. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes effect with the next frame: the limit grows once the peer is known. */
  set maxBytes(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Has a frame begun that is not complete? Meaningful once `next` has answered undefined. */
  get incomplete(): boolean {
    return this.#partBytes > 0 || this.#chunk.length > 0;
  }

  /**
   * Gives it the next bytes of the stream. Call `next` until it answers undefined before the next
   * push.
   */
  push(chunk: Uint8Array): void {
    if (this.#chunk.length > 0) throw new Error("push before next() was exhausted");
    this.#chunk = chunk;
  }

  /** The next complete frame, or undefined when more bytes are needed. */
  next(): Frame | undefined {
    if (this.#partBytes > 0) return this.#continuePart();
    const chunk = this.#chunk;
    if (chunk.length === 0) return undefined;
    if (chunk.length < LENGTH_BYTES) return this.#keep(chunk);
    const total = LENGTH_BYTES + this.#checkedLength(chunk);
    if (chunk.length < total) return this.#keep(chunk);
    this.#chunk = chunk.subarray(total);
    return toFrame(chunk, total);
  }

  #keep(bytes: Uint8Array): undefined {
    this.#append(bytes, FIRST_PART_BYTES);
    this.#chunk = EMPTY;
  }

  #continuePart(): Frame | undefined {
    if (this.#partBytes < LENGTH_BYTES && !this.#take(LENGTH_BYTES)) return undefined;
    const total = LENGTH_BYTES + this.#checkedLength(this.#part);
    if (!this.#take(total)) return undefined;
    const part = this.#part;
    this.#part = EMPTY;
    this.#partBytes = 0;
    return toFrame(part, total);
  }

  /** Moves bytes from the chunk until the part has `wanted`; false = the chunk did not suffice. */
  #take(wanted: number): boolean {
    const missing = wanted - this.#partBytes;
    const taken = this.#chunk.subarray(0, missing);
    this.#append(taken, wanted);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken.length === missing;
  }

  /**
   * Doubling, but never beyond `wanted`: an announced length costs nothing until its bytes come.
   */
  #append(bytes: Uint8Array, wanted: number): void {
    const needed = this.#partBytes + bytes.length;
    if (needed > this.#part.length) {
      const doubled = Math.max(this.#part.length * 2, FIRST_PART_BYTES);
      const grown = new Uint8Array(Math.max(needed, Math.min(wanted, doubled)));
      grown.set(this.#part.subarray(0, this.#partBytes));
      this.#part = grown;
    }
    this.#part.set(bytes, this.#partBytes);
    this.#partBytes = needed;
  }

  #checkedLength(bytes: Uint8Array): number {
    const length = readU32(bytes, 0);
    if (length < HEADER_BYTES - LENGTH_BYTES) {
      throw new ProtocolError(`a frame of length ${length} has no room for its header`);
    }
    if (length > this.#maxBytes) {
      if (length === HTTP_ANSWER) throw new ProtocolError("an HTTP answer; is it the REST port?");
      throw new ProtocolError(`a frame of ${length} bytes; at most ${this.#maxBytes} are accepted`);
    }
    return length;
  }
}

function toFrame(bytes: Uint8Array, end: number): Frame {
  return {
    type: bytes[LENGTH_BYTES]!,
    requestId: readU32(bytes, LENGTH_BYTES + 1),
    body: bytes.subarray(HEADER_BYTES, end),
  };
}

function readU32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return bytes[at]! * 0x1000000 + low;
}
