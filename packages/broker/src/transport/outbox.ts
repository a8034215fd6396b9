/**
 * What waits to go out on one stream. Messages leave in the order they came, several to a frame
 * when they pile up while the frame before is on its way, so that load makes frames larger instead
 * of more numerous. Only one frame is under way at a time: when the peer does not read, the rest
 * stays here, and beyond the bound new messages are dropped. The bound counts bytes, those under
 * way included.
 */
import type { FrameParts } from "./raft-service.ts";

/** Hands a frame to the stream and calls back once the stream has let go of it. */
export type WriteFrame = (parts: FrameParts, written: () => void) => void;

export class Outbox {
  readonly #write: WriteFrame;
  readonly #bytesMax: number;
  readonly #frameBytes: number;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #busy = false;
  #closed = false;

  constructor(write: WriteFrame, bytesMax: number, frameBytes: number) {
    this.#write = write;
    this.#bytesMax = bytesMax;
    this.#frameBytes = frameBytes;
  }

  /** Bytes that wait or are under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False when the message was dropped because too much waits already. */
  offer(message: Uint8Array): boolean {
    if (this.#closed || this.#bytes + message.length > this.#bytesMax) return false;
    this.#bytes += message.length;
    this.#waiting.push(message);
    if (!this.#busy) {
      this.#busy = true;
      // What the caller sends in the same turn shares the frame.
      queueMicrotask(() => this.#next());
    }
    return true;
  }

  /** Drops what waits; nothing is written any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#bytes = 0;
  }

  #next(): void {
    if (this.#closed) return;
    if (this.#waiting.length === 0) {
      this.#busy = false;
      return;
    }
    const parts = this.#takeFrame();
    let size = 0;
    for (const part of parts) size += part.length;
    this.#write(parts, () => {
      if (this.#closed) return;
      this.#bytes -= size;
      this.#next();
    });
  }

  #takeFrame(): FrameParts {
    let size = 0;
    let count = 0;
    for (const message of this.#waiting) {
      if (count > 0 && size + message.length > this.#frameBytes) break;
      size += message.length;
      count++;
    }
    const parts = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return parts;
  }
}
