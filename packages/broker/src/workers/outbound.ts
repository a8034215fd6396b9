/**
 * The way out of one connection: the frames of a turn leave in one write, and what the peer has not
 * taken is counted. Much at once goes out piece by piece, so that a slow peer shows progress and a
 * dead one does not. Nothing here waits or throws; the owner asks, and decides.
 */
import type { Socket } from "node:net";
import { ByteWriter, encodeMessage, type SentMessage } from "task-queue-protocol";

/** The system tells only when a whole write was taken; smaller writes make progress visible. */
const PIECE_BYTES = 256 * 1024;

export class Outbound {
  readonly #socket: Socket;
  readonly #onDrain: () => void;
  readonly #writer = new ByteWriter();
  #scheduled = false;
  /** Behind the piece that is being written. */
  #pieces: Buffer[] = [];
  #writing = false;
  /** In pieces, the one being written included. */
  #pieceBytes = 0;
  #progressAt = 0;
  #ending = false;

  /** `onDrain`: everything handed over has been taken. */
  constructor(socket: Socket, onDrain: () => void) {
    this.#socket = socket;
    this.#onDrain = onDrain;
  }

  get unsentBytes(): number {
    return this.#pieceBytes + this.#writer.length;
  }

  /** How long no piece has been taken although some wait; 0 when none do. */
  stalledMs(now: number): number {
    return this.#writing ? now - this.#progressAt : 0;
  }

  /** Appends one frame. Throws `ProtocolError` for a value that has no form on the wire. */
  put(requestId: number, message: SentMessage): void {
    encodeMessage(this.#writer, requestId, message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Ends the socket's own half once everything put in so far was taken. */
  end(): void {
    this.#ending = true;
    this.#flush();
    if (!this.#writing) this.#socket.end();
  }

  #flush(): void {
    const bytes = this.#writer.length;
    if (bytes === 0) return;
    const whole = Buffer.from(this.#writer.view());
    this.#writer.clear();
    this.#pieceBytes += bytes;
    for (let at = 0; at < bytes; at += PIECE_BYTES) {
      this.#pieces.push(whole.subarray(at, at + PIECE_BYTES));
    }
    if (!this.#writing) this.#writeNext();
  }

  #writeNext(): void {
    const piece = this.#pieces.shift();
    this.#writing = piece !== undefined && this.#socket.writable;
    if (piece === undefined || !this.#writing) return;
    this.#progressAt = performance.now();
    this.#socket.write(piece, () => this.#taken(piece.length));
  }

  #taken(bytes: number): void {
    this.#pieceBytes -= bytes;
    this.#writeNext();
    if (this.#writing) return;
    if (this.#ending) this.#socket.end();
    else this.#onDrain();
  }
}
