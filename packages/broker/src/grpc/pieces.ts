/**
 * What an unfinished message of a call costs in memory while it comes in. The library keeps each
 * piece as it came, and with it all of what was read from the socket together with it: a byte that
 * came among other things holds up to 64 KiB. So pieces are weighed, not only counted.
 */

/** Flag and length before each message. */
const PREFIX_BYTES = 5;
/** The object that a piece is. */
export const PIECE_BYTES = 256;
/** Who takes less than this share of what was read at once counts as keeping all of it. */
const SHARE_MIN = 1 / 4;

/** What was read from the socket at once. */
interface Read {
  readonly from: ArrayBufferLike | undefined;
  /** Of it by the message under way. */
  readonly taken: number;
  /** As which it is weighed. */
  readonly bytes: number;
}

const NOTHING: Read = { from: undefined, taken: 0, bytes: 0 };

export class Pieces {
  readonly #unpackedMax: number;
  /** Of the message under way. */
  #prefix: number[] = [];
  #left = 0;
  #bytes = 0;
  #read: Read = NOTHING;
  #lastBytes = 0;

  /** `unpackedMax`: what a message that is compressed may become. */
  constructor(unpackedMax: number) {
    this.#unpackedMax = unpackedMax;
  }

  /** What of a message is here that is not all here; 0 = nothing. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of the last message that has come: how large it may be, unpacked. */
  get lastBytes(): number {
    return this.#lastBytes;
  }

  /** True: a message has begun in it that does not end in it. */
  take(piece: Buffer): boolean {
    let at = this.#wholeBytes(piece);
    let hasBegun = false;
    while (at < piece.length) {
      if (this.#bytes === 0) hasBegun = true;
      const from = at;
      at = this.#prefix.length < PREFIX_BYTES ? this.#takePrefix(piece, at) : this.#skip(piece, at);
      this.#weigh(piece, at - from);
      if (this.#prefix.length < PREFIX_BYTES || this.#left > 0) continue;
      this.#end();
      hasBegun = false;
    }
    return hasBegun;
  }

  /** Nearly all messages come in one piece. */
  #wholeBytes(piece: Buffer): number {
    if (this.#bytes > 0 || piece.length < PREFIX_BYTES) return 0;
    const length = piece.readUInt32BE(1);
    if (PREFIX_BYTES + length > piece.length) return 0;
    this.#lastBytes = piece[0] === 0 ? length : this.#unpackedMax;
    return PREFIX_BYTES + length;
  }

  #takePrefix(piece: Buffer, from: number): number {
    const to = Math.min(piece.length, from + PREFIX_BYTES - this.#prefix.length);
    this.#prefix.push(...piece.subarray(from, to));
    if (this.#prefix.length === PREFIX_BYTES)
      this.#left = Buffer.from(this.#prefix).readUInt32BE(1);
    return to;
  }

  #skip(piece: Buffer, from: number): number {
    const taken = Math.min(piece.length - from, this.#left);
    this.#left -= taken;
    return from + taken;
  }

  #weigh({ buffer }: Buffer, length: number): void {
    if (buffer !== this.#read.from) this.#read = { from: buffer, taken: 0, bytes: 0 };
    const taken = this.#read.taken + length;
    const bytes = taken < SHARE_MIN * buffer.byteLength ? buffer.byteLength : taken;
    this.#bytes += PIECE_BYTES + bytes - this.#read.bytes;
    this.#read = { from: buffer, taken, bytes };
  }

  #end(): void {
    const [flag] = this.#prefix;
    const length = Buffer.from(this.#prefix).readUInt32BE(1);
    this.#lastBytes = flag === 0 ? length : this.#unpackedMax;
    this.#prefix = [];
    this.#bytes = 0;
    this.#read = NOTHING;
  }
}
