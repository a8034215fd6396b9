/**
 * What of a submit stream is not answered yet, counted in submits and bytes. A message that finds
 * no room is held back, and since the next one is only read when it has passed, HTTP/2 holds back
 * the sender.
 */

import { memoryBytesOf } from "./bounded-decoding.ts";
import { UNANSWERED_BYTES_MAX, UNANSWERED_MAX } from "./limits.ts";
import type { SubmitStreamRequest } from "./service.ts";

/** What counts of a message. */
type Message = Pick<SubmitStreamRequest, "tasks" | "size">;

interface Held {
  readonly message: Message;
  readonly pass: () => void;
}

export class Unanswered {
  readonly #hold: (bytes: number) => void;
  #count = 0;
  #bytes = 0;
  #held: Held | undefined;

  /** `hold`: told what messages take, and with a negative number what they take no more. */
  constructor(hold: (bytes: number) => void) {
    this.#hold = hold;
  }

  /** Calls `pass` when there is room: now or later. */
  admit(message: Message, pass: () => void): void {
    this.#held = { message, pass };
    this.#hold(memoryBytesOf(message));
    this.#passOn();
  }

  /** A message that was admitted has its answer. */
  answered(message: Message): void {
    this.#count -= countOf(message);
    this.#bytes -= message.size;
    this.#hold(-memoryBytesOf(message));
    this.#passOn();
  }

  #passOn(): void {
    const held = this.#held;
    if (held === undefined || !this.#hasRoom(held.message)) return;
    this.#held = undefined;
    this.#count += countOf(held.message);
    this.#bytes += held.message.size;
    held.pass();
  }

  /** One alone always passes: how large a message may be is a bound of its own. */
  #hasRoom(message: Message): boolean {
    if (this.#count === 0) return true;
    if (this.#count + countOf(message) > UNANSWERED_MAX) return false;
    return this.#bytes + message.size <= UNANSWERED_BYTES_MAX;
  }
}

/** A message without tasks is refused, which is an answer too. */
function countOf({ tasks }: Message): number {
  return Math.max(1, tasks.length);
}
