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
import { explainTls, openTls, type TlsOptions } from "./tls.ts";

/** An API key, or where to get it: asked for at each dial, so that it can change. Empty = none. */
export type ApiKey = string | (() => string | Promise<string>);

export interface DialOptions {
  readonly role: Role;
  readonly apiKey: ApiKey;
  /** Name and version of the program, for the broker's log. */
  readonly name: string;
  readonly version: string;
  /** Plain text without. */
  readonly tls?: TlsOptions | undefined;
  /** Opens the socket; by default TCP, with or without TLS. */
  readonly openSocket?: ((address: Address) => Socket) | undefined;
  /** Longest the whole of it may take. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 5_000;

/** Rejects with `TqError` when the broker refuses, with `Error` when it cannot be reached. */
export async function dial(
  address: Address,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Connection> {
  const { apiKey } = options;
  const key = typeof apiKey === "function" ? await apiKey() : apiKey;
  return open(address, options, key, signal);
}

function open(
  address: Address,
  options: DialOptions,
  key: string,
  signal: AbortSignal,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const { tls } = options;
    const socket = options.openSocket?.(address) ?? openSocket(address, tls);
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
    function failToOpen(cause: NodeJS.ErrnoException): void {
      fail(new Error(explainTls(cause, tls), { cause }));
    }
    function onAbort(): void {
      fail(new Error("given up"));
    }
    function onClose(): void {
      failToOpen(Object.assign(new Error("closed during the handshake"), { code: "closed" }));
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
    socket.on("error", (error) => failToOpen(error));
    socket.on("data", onData).on("close", onClose);
    socket.setNoDelay(true);
    socket.write(hello(options, key));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function openSocket({ host, port }: Address, tls: TlsOptions | undefined): Socket {
  return tls === undefined ? connect({ host, port }) : openTls({ host, port }, tls);
}

function hello({ role, name, version }: DialOptions, key: string): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, 1, {
    kind: "hello",
    minVersion: VERSION_MIN,
    maxVersion: VERSION_MAX,
    role,
    key,
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
