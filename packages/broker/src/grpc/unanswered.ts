/**
 * What of a submit stream is not answered yet, counted in submits and bytes. A message that finds
 * no room is held back, and since the next one is only read when it has passed, HTTP/2 holds back
 * the sender.
 */
import { UNANSWERED_BYTES_MAX, UNANSWERED_MAX } from "./limits.ts";

interface Held {
  readonly bytes: number;
  readonly pass: () => void;
}

export class Unanswered {
  #count = 0;
  #bytes = 0;
  #held: Held | undefined;

  /** Calls `pass` when there is room: now or later. */
  admit(bytes: number, pass: () => void): void {
    this.#held = { bytes, pass };
    this.#passOn();
  }

  /** A message of this size, which was admitted, has its answer. */
  answered(bytes: number): void {
    this.#count--;
    this.#bytes -= bytes;
    this.#passOn();
  }

  #passOn(): void {
    const held = this.#held;
    if (held === undefined || !this.#hasRoom(held.bytes)) return;
    this.#held = undefined;
    this.#count++;
    this.#bytes += held.bytes;
    held.pass();
  }

  /** One alone always passes: how large a message may be is a bound of its own. */
  #hasRoom(bytes: number): boolean {
    if (this.#count === 0) return true;
    return this.#count < UNANSWERED_MAX && this.#bytes + bytes <= UNANSWERED_BYTES_MAX;
  }
}
