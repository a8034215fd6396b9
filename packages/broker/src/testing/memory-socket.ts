/**
 * A connection without a network: two ends, of which each hears in a later turn what the other has
 * written. Both pass for TCP sockets as far as the worker port and the libraries look at them. An
 * end that is not read holds up the writer, as a full kernel buffer would.
 */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

export class MemorySocket extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 0;
  readonly #onBytes: () => void;
  #other: MemorySocket | undefined;
  /** The other end's write that waits until this end is read. */
  #held: (() => void) | undefined;

  private constructor(onBytes: () => void) {
    super({ allowHalfOpen: false });
    this.#onBytes = onBytes;
  }

  /** `onBytes` is called whenever something arrives at either end. */
  static pair(onBytes: () => void): [Socket, Socket] {
    const near = new MemorySocket(onBytes);
    const far = new MemorySocket(onBytes);
    near.#other = far;
    far.#other = near;
    return [near as unknown as Socket, far as unknown as Socket];
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  override _write(chunk: Buffer, _encoding: string, taken: () => void): void {
    // Taken here and now, as by a kernel: its owner may use the memory again.
    const bytes = Buffer.from(chunk);
    setImmediate(() => {
      const other = this.#other as MemorySocket;
      if (other.destroyed) return taken();
      this.#onBytes();
      if (other.push(bytes)) taken();
      else other.#held = taken;
    });
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      const other = this.#other as MemorySocket;
      if (!other.destroyed) other.push(null);
      done();
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    setImmediate(() => this.#other?.destroy());
    done(error);
  }
}
