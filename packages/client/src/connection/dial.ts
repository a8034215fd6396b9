/**
 * Opens a connection: TCP, `hello`, `welcome`. Either it resolves with a connection that both sides
 * have agreed on, or it rejects and leaves no socket behind.
 */
import { connect, type Socket } from "node:net";
import {
  ByteWriter,
  decodeMessage,
  encodeMessage,
  FRAME_OVERHEAD_BYTES,
  FrameReader,
  type Message,
  type Role,
  TqError,
  VERSION_MAX,
  VERSION_MIN,
} from "task-queue-protocol";
import { type Address, formatAddress } from "./address.ts";
import { Connection, toError } from "./connection.ts";

export interface DialOptions {
  readonly role: Role;
  /** API key; empty = none. */
  readonly apiKey: string;
  /** Name and version of the program, for the broker's log. */
  readonly name: string;
  readonly version: string;
  /** Opens the socket; by default plain TCP. */
  readonly openSocket?: ((address: Address) => Socket) | undefined;
  /** Longest the whole of it may take. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 5_000;

/** Rejects with `TqError` when the broker refuses, with `Error` when it cannot be reached. */
export function dial(
  address: Address,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = (options.openSocket ?? openTcp)(address);
    const reader = new FrameReader(FRAME_OVERHEAD_BYTES);
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    const timer = setTimeout(() => {
      fail(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);

    function release(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.off("data", onData).off("close", onClose);
    }
    function fail(error: Error): void {
      release();
      // The listener stays: a destroyed socket may still report an error, which must not be thrown.
      socket.destroy();
      const { message } = error;
      if (error instanceof TqError) reject(error);
      else reject(new Error(`${formatAddress(address)}: ${message}`, { cause: error }));
    }
    function onAbort(): void {
      fail(new Error("given up"));
    }
    function onClose(): void {
      fail(new Error("closed during the handshake"));
    }
    function onData(chunk: Buffer): void {
      try {
        reader.push(chunk);
        const frame = reader.next();
        if (frame === undefined) return;
        const welcome = expectWelcome(decodeMessage(frame));
        release();
        socket.pause();
        resolve(new Connection(socket, reader, address, welcome));
      } catch (error) {
        fail(error as Error);
      }
    }
    socket.on("error", (error) => fail(error));
    socket.on("data", onData).on("close", onClose);
    socket.setNoDelay(true);
    socket.write(hello(options));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function openTcp({ host, port }: Address): Socket {
  return connect({ host, port });
}

function hello({ role, apiKey, name, version }: DialOptions): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, 1, {
    kind: "hello",
    minVersion: VERSION_MIN,
    maxVersion: VERSION_MAX,
    role,
    key: apiKey,
    name,
    version,
  });
  return writer.view();
}

function expectWelcome(message: Message) {
  if (message.kind === "welcome") return message;
  if (message.kind === "error") throw toError(message.code, message.message, message.field);
  throw new Error(`a ${message.kind} instead of a welcome`);
}
