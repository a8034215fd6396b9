/**
 * Frames on their way to a socket: all that are put in during one turn of the event loop leave in
 * one write. It never blocks; whoever puts in is the one who bounds how much.
 */
import type { Socket } from "node:net";
import { ByteWriter, encodeMessage, type SentMessage } from "task-queue-protocol";

export class Outbox {
  readonly #socket: Socket;
  readonly #writer = new ByteWriter();
  #scheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * Appends one frame and answers its length as the length field counts. Throws `ProtocolError` for
   * a value that has no form on the wire; nothing was appended then.
   */
  put(requestId: number, message: SentMessage, maxBytes = Number.POSITIVE_INFINITY): number {
    const start = this.#writer.length;
    encodeMessage(this.#writer, requestId, message);
    const length = this.#writer.length - start - 4;
    if (length > maxBytes) this.#writer.truncate(start);
    else this.#schedule();
    return length;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#writer.length === 0 || !this.#socket.writable) return;
    this.#socket.write(Buffer.from(this.#writer.view()));
    this.#writer.clear();
  }
}
