/** A peer that speaks HTTP/2 byte by byte, as no library would: frames made by hand, over a socket. */
import { connect, type Socket } from "node:net";

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
export const END_STREAM = 1;
export const END_HEADERS = 4;

/** RFC 9113, 4.1. */
export function frame(type: number, flags: number, stream: number, body: Uint8Array = NOTHING) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

const NOTHING = new Uint8Array();

/** What a client begins with: the preface, and settings that set nothing. */
export const OPENING = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(SETTINGS, 0, 0),
]);

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** RFC 7541, 6.2.2: a header that no table remembers, its texts shorter than 127 bytes. */
export function header(name: string, value: string): Buffer {
  const texts = [name, value].flatMap((text) => [Buffer.from([text.length]), Buffer.from(text)]);
  return Buffer.concat([Buffer.from([0]), ...texts]);
}

export function callHeaders(method: string, key?: string, verb = "POST"): Buffer {
  return Buffer.concat([
    header(":method", verb),
    header(":scheme", "http"),
    header(":authority", "x"),
    header(":path", `/taskqueue.v1.TaskQueue/${method}`),
    header("content-type", "application/grpc"),
    header("te", "trailers"),
    ...(key === undefined ? [] : [header("authorization", `Bearer ${key}`)]),
  ]);
}

export class RawHttp2 {
  readonly socket: Socket;
  /** Resolves when it was told to go, or its connection was ended. */
  readonly over: Promise<void>;
  isOver = false;
  #unread = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    this.over = new Promise((resolve) => {
      const end = (): void => {
        this.isOver = true;
        resolve();
      };
      socket.once("close", end);
      socket.on("data", (chunk: Buffer) => {
        if (this.#types(chunk).includes(GOAWAY)) end();
      });
    });
  }

  #types(chunk: Buffer): number[] {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    const types: number[] = [];
    for (;;) {
      const end = this.#unread.length < 9 ? Infinity : 9 + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return types;
      types.push(this.#unread[3]!);
      this.#unread = this.#unread.subarray(end);
    }
  }

  static async dial(port: number): Promise<RawHttp2> {
    const socket = connect({ port, host: "127.0.0.1" });
    const peer = new RawHttp2(socket);
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    socket.write(OPENING);
    return peer;
  }

  /** Resolves when the system has taken them, or the other side has ended the connection. */
  async send(...frames: readonly Uint8Array[]): Promise<void> {
    if (this.socket.write(Buffer.concat(frames)) || this.isOver) return;
    await Promise.race([
      new Promise<void>((resolve) => this.socket.once("drain", resolve)),
      this.over,
    ]);
  }
}
