/**
 * A connection without a network: two ends, of which each hears a little later what the other has
 * written. A broker's end passes for a TCP socket as far as the worker port looks at it.
 */
import { EventEmitter } from "node:events";
import type { VirtualTime } from "./virtual-time.ts";

const TRAVEL_MS = 0.05;

export class VirtualSocket extends EventEmitter {
  readonly writable = true;
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 1;
  readonly #time: VirtualTime;
  #other: VirtualSocket | undefined;
  /** Chunks that came since it was paused; undefined: it reads. */
  #unread: Buffer[] | undefined;
  #wasPaused = false;

  private constructor(time: VirtualTime) {
    super();
    this.#time = time;
  }

  static pair(time: VirtualTime): [VirtualSocket, VirtualSocket] {
    const ends: [VirtualSocket, VirtualSocket] = [new VirtualSocket(time), new VirtualSocket(time)];
    ends[0].#other = ends[1];
    ends[1].#other = ends[0];
    return ends;
  }

  /** The bytes are taken here and now, as by a kernel: their owner may use them again. */
  write(bytes: Uint8Array, taken: () => void = () => {}): boolean {
    const chunk = Buffer.from(bytes);
    this.#time.after(TRAVEL_MS, () => {
      if (this.#other !== undefined) this.#other.#arrive(chunk);
      taken();
    });
    return true;
  }

  setNoDelay(): this {
    return this;
  }

  /** Once, while it is found out who says hello. */
  pause(): this {
    if (this.#wasPaused) throw new Error("the load is too small for anybody to stop reading");
    this.#wasPaused = true;
    this.#unread = [];
    return this;
  }

  resume(): this {
    const unread = this.#unread ?? [];
    this.#unread = undefined;
    for (const chunk of unread) this.emit("data", chunk);
    return this;
  }

  #arrive(chunk: Buffer): void {
    if (this.#unread === undefined) this.emit("data", chunk);
    else this.#unread.push(chunk);
  }

  end(): this {
    throw new Error("a connection was ended");
  }

  destroy(): this {
    throw new Error("a connection was cut");
  }
}
