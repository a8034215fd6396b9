/**
 * Cuts a stream of bytes, in whatever pieces it comes, into the frames of a snapshot. Nothing in
 * it is believed: a length beyond the bound is refused before anything is kept for it.
 */
import { FRAME_HEAD_BYTES, frameCrc, KIND } from "./format.ts";
import { FRAME_BYTES_MAX, HEADER_BYTES_MAX } from "./limits.ts";

/** The bytes are no snapshot, or not the one that was announced. */
export class SnapshotDamage extends Error {
  override readonly name = "SnapshotDamage";

  constructor(what: string, options?: ErrorOptions) {
    super(`the snapshot is damaged: ${what}`, options);
  }
}

export interface Frame {
  readonly kind: (typeof KIND)[keyof typeof KIND];
  readonly body: Buffer;
}

export class FrameReader {
  #waiting: Uint8Array[] = [];
  #bytes = 0;

  /** The frames that this piece completes. Throws `SnapshotDamage`. */
  push(piece: Uint8Array): Frame[] {
    if (piece.length > 0) this.#waiting.push(piece);
    this.#bytes += piece.length;
    const frames: Frame[] = [];
    while (this.#bytes >= FRAME_HEAD_BYTES) {
      const head = this.#peek(FRAME_HEAD_BYTES);
      const kind = kindOf(head[0] as number);
      const length = head.readUInt32BE(1);
      const most = kind === KIND.rows ? FRAME_BYTES_MAX : HEADER_BYTES_MAX;
      if (length > most)
        throw new SnapshotDamage(`a frame of ${length} bytes, ${most} are allowed`);
      if (this.#bytes < FRAME_HEAD_BYTES + length) break;
      const body = this.#take(FRAME_HEAD_BYTES + length).subarray(FRAME_HEAD_BYTES);
      if (frameCrc(kind, body) !== head.readUInt32BE(5)) {
        throw new SnapshotDamage("a frame fails its checksum");
      }
      frames.push({ kind, body });
    }
    return frames;
  }

  /** Bytes of a frame that is not complete yet. */
  get left(): number {
    return this.#bytes;
  }

  #peek(size: number): Buffer {
    const first = this.#waiting[0] as Uint8Array;
    if (first.length >= size) return Buffer.from(first.buffer, first.byteOffset, size);
    const whole = Buffer.concat(this.#waiting, this.#bytes);
    this.#waiting = [whole];
    return whole.subarray(0, size);
  }

  #take(size: number): Buffer {
    const first = this.#waiting[0] as Uint8Array;
    const whole =
      first.length >= size
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#waiting, this.#bytes);
    const later = first.length >= size ? this.#waiting.slice(1) : [];
    this.#waiting = whole.length > size ? [whole.subarray(size), ...later] : later;
    this.#bytes -= size;
    return whole.subarray(0, size);
  }
}

function kindOf(byte: number): Frame["kind"] {
  if (byte === KIND.header || byte === KIND.rows || byte === KIND.trailer) return byte;
  throw new SnapshotDamage(`a frame of kind ${byte}`);
}
