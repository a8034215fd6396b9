/** A client or a worker of the load: it speaks the protocol frame by frame, and its frames count. */
import {
  ByteWriter,
  decodeMessage,
  encodeMessage,
  FrameReader,
  type Message,
  type Role,
  type SentMessage,
  VERSION_MAX,
} from "task-queue-protocol";
import type { Tally } from "./tally.ts";
import type { VirtualSocket } from "./virtual-socket.ts";

const FRAME_BYTES_MAX = 2 ** 24;

export class Party {
  readonly #socket: VirtualSocket;
  readonly #role: Role;
  readonly #tally: Tally;
  readonly #reader = new FrameReader(FRAME_BYTES_MAX);
  readonly #writer = new ByteWriter();
  #lastRequestId = 0;

  /** `hear` gets every message of the broker. */
  constructor(socket: VirtualSocket, role: Role, tally: Tally, hear: (message: Message) => void) {
    this.#socket = socket;
    this.#role = role;
    this.#tally = tally;
    socket.on("data", (chunk: Buffer) => {
      this.#count("writes to", 1);
      this.#count("bytes to", chunk.length);
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        this.#count("frames to", 1);
        hear(decodeMessage(frame));
      }
    });
    const versions = { minVersion: VERSION_MAX, maxVersion: VERSION_MAX };
    this.send({ kind: "hello", ...versions, role, key: "", name: role, version: "0" });
  }

  send(message: SentMessage): void {
    encodeMessage(this.#writer, ++this.#lastRequestId, message);
    this.#count("frames from", 1);
    this.#count("bytes from", this.#writer.length);
    this.#socket.write(this.#writer.view());
    this.#writer.clear();
  }

  #count(what: string, amount: number): void {
    this.#tally.add(`${what} the ${this.#role}`, amount);
  }
}
