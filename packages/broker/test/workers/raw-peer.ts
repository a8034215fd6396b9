/**
 * A peer that says exactly what a test wants, byte by byte if need be, and reads what comes back.
 */
import { connect, type Socket } from "node:net";
import {
  ByteWriter,
  decodeMessage,
  encodeMessage,
  FrameReader,
  type Message,
  type MessageKind,
  type Role,
  type SentMessage,
} from "task-queue-protocol";

export interface Received {
  readonly requestId: number;
  readonly message: Message;
}

type Of<K extends MessageKind> = Extract<Message, { kind: K }>;

export class RawPeer {
  readonly socket: Socket;
  /** Everything received and not yet taken. */
  readonly received: Received[] = [];
  readonly closed: Promise<void>;
  isClosed = false;
  text = "";
  readonly #reader = new FrameReader(2 ** 26);
  #wake: () => void = () => {};

  private constructor(socket: Socket, readsFrames: boolean) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      if (!readsFrames) {
        this.text += chunk.toString("latin1");
        return;
      }
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        this.received.push({ requestId: frame.requestId, message: decodeMessage(frame) });
      }
      this.#wake();
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.isClosed = true;
        resolve();
        this.#wake();
      });
    });
  }

  static async dial(port: number, readsFrames = true, localAddress?: string): Promise<RawPeer> {
    const from = localAddress === undefined ? {} : { localAddress };
    const socket = connect({ host: "127.0.0.1", port, ...from });
    const peer = new RawPeer(socket, readsFrames);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
    });
    return peer;
  }

  /** Dials and says hello. */
  static async greet(port: number, role: Role = "client", from?: string): Promise<RawPeer> {
    const peer = await RawPeer.dial(port, true, from);
    peer.send(1, hello(role));
    await peer.take("welcome");
    return peer;
  }

  send(requestId: number, message: SentMessage): void {
    this.socket.write(bytesOf(requestId, message));
  }

  /**
   * The next message of this kind; others stay where they are. Throws when the connection ends
   * first.
   */
  async take<K extends MessageKind>(kind: K): Promise<Of<K> & { requestId: number }> {
    for (;;) {
      const at = this.received.findIndex(({ message }) => message.kind === kind);
      if (at >= 0) {
        const [{ message, requestId }] = this.received.splice(at, 1) as [Received];
        return { ...(message as Of<K>), requestId };
      }
      if (this.isClosed) throw new Error(`closed before a ${kind} came`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export function hello(role: Role, key = ""): SentMessage {
  return {
    kind: "hello",
    minVersion: 1,
    maxVersion: 1,
    role,
    key,
    name: "raw",
    version: "1",
  };
}

export function bytesOf(requestId: number, message: SentMessage): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, requestId, message);
  return writer.view().slice();
}
