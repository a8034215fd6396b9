/**
 * One connection to one broker, after its handshake: requests with their answers, messages that
 * come unasked, keep-alive. It is used up when it ends, and it ends exactly once: every request
 * that has no answer by then gets `undefined`. It never throws into the host and emits no events.
 */
import type { Socket } from "node:net";
import {
  decodeMessage,
  type Frame,
  type FrameReader,
  isErrorCode,
  KEEP_ALIVE_MS,
  type Message,
  maxAnswerBytes,
  ProtocolError,
  type SentMessage,
  TqError,
  versionOf,
  type Welcome,
} from "task-queue-protocol";
import { type Address, formatAddress } from "./address.ts";
import { Outbox } from "./outbox.ts";

/**
 * The answer, or undefined when the connection ended first: then nobody knows what became of it.
 */
export type OnAnswer = (answer: Message | undefined) => void;

export interface ConnectionEvents {
  /** A message that answers no request: deliveries, lost leases, heartbeat acks, hints. */
  onMessage(message: Message, requestId: number): void;
  /** Called once; `error` is why, undefined after `close()`. */
  onClose(error: Error | undefined): void;
}

/** With answers due, a silent broker is asked whether it lives after this long. */
const BUSY_PING_MS = 2_000;
/** It is dead when it does not answer a ping for this long. */
const PONG_MS_MAX = 5_000;
const CHECK_MS = 1_000;
const REQUEST_ID_MAX = 0xffff_ffff;

export class Connection {
  readonly address: Address;
  readonly welcome: Welcome;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #outbox: Outbox;
  readonly #pending = new Map<number, OnAnswer>();
  readonly #timer: NodeJS.Timeout;
  #events: ConnectionEvents | undefined;
  #nextId = 1;
  #lastReceived = performance.now();
  #lastSent = performance.now();
  #pingedAt = 0;
  #error: Error | undefined;
  #ended = false;
  #closing = false;

  /** Takes over a socket whose handshake is done, with the reader that saw its first bytes. */
  constructor(socket: Socket, reader: FrameReader, address: Address, welcome: Welcome) {
    this.address = address;
    this.welcome = welcome;
    this.#socket = socket;
    this.#reader = reader;
    this.#reader.maxBytes = maxAnswerBytes(welcome.maxPayloadBytes);
    this.#outbox = new Outbox(socket);
    this.#timer = setInterval(() => this.#keepAlive(), CHECK_MS);
    this.#timer.unref();
  }

  /**
   * Begins reading. Separate from the constructor so that the owner can hold the connection first.
   */
  start(events: ConnectionEvents): void {
    this.#events = events;
    this.#socket.on("data", (chunk: Buffer) => {
      this.#reader.push(chunk);
      this.#drainReader();
    });
    this.#socket.on("error", (error) => {
      this.#error ??= error;
    });
    this.#socket.on("close", () => this.#end());
    this.#drainReader();
    this.#socket.resume();
    if (this.#socket.destroyed) this.#end();
  }

  get isOpen(): boolean {
    return !this.#ended && !this.#closing && this.#socket.writable;
  }

  /** Requests without an answer yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /**
   * Sends a message that wants an answer; `onAnswer` is called exactly once, never synchronously.
   * Throws `TqError` `too_large` or `ProtocolError` when the message cannot be sent at all.
   */
  request(message: SentMessage, onAnswer: OnAnswer): void {
    if (!this.isOpen) {
      setImmediate(onAnswer, undefined);
      return;
    }
    const id = this.#takeId();
    this.#put(id, message);
    this.#pending.set(id, onAnswer);
  }

  /** Sends a message that wants no answer of its own; returns the request id it carries. */
  push(message: SentMessage): number {
    const id = this.#takeId();
    if (this.isOpen) this.#put(id, message);
    return id;
  }

  /** Sends what was put in and ends the connection; pending requests get `undefined`. */
  close(): void {
    if (this.#ended || this.#closing) return;
    this.#closing = true;
    this.#outbox.flush();
    this.#socket.end();
    // A broker that never reads must not keep a closed connection for ever.
    const timer = setTimeout(() => this.#socket.destroy(), CHECK_MS);
    timer.unref();
  }

  /** Ends it at once, with a reason. */
  destroy(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  #put(id: number, message: SentMessage): void {
    const { protocolVersion, maxFrameBytes: max } = this.welcome;
    const needed = versionOf(message);
    if (needed > protocolVersion) {
      const what = `this broker speaks version ${protocolVersion} of the protocol`;
      const why = `what the request says is known since version ${needed}: upgrade the brokers`;
      throw new TqError("invalid_request", `${what}, and ${why}`);
    }
    const length = this.#outbox.put(id, message, max);
    if (length > max) {
      throw new TqError("too_large", `${length} bytes; the broker accepts at most ${max}`);
    }
    this.#lastSent = performance.now();
  }

  #takeId(): number {
    do {
      this.#nextId = this.#nextId >= REQUEST_ID_MAX ? 1 : this.#nextId + 1;
    } while (this.#pending.has(this.#nextId));
    return this.#nextId;
  }

  #drainReader(): void {
    this.#lastReceived = performance.now();
    try {
      let frame = this.#reader.next();
      while (frame !== undefined) {
        this.#receive(frame);
        frame = this.#reader.next();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.destroy(new Error(`${formatAddress(this.address)}: ${error.message}`, { cause: error }));
    }
  }

  #receive(frame: Frame): void {
    const message = decodeMessage(frame);
    const { requestId } = frame;
    if (message.kind === "ping") return void this.#outbox.put(requestId, { kind: "pong" });
    if (message.kind === "pong") return;
    const onAnswer = this.#pending.get(requestId);
    if (onAnswer !== undefined && message.kind !== "heartbeatAck") {
      this.#pending.delete(requestId);
      onAnswer(message);
      return;
    }
    if (message.kind === "error") {
      this.#error ??= toError(message.code, message.message);
      return;
    }
    if (isAnswer(message)) throw new ProtocolError(`an answer to ${requestId}, which nobody asked`);
    this.#events?.onMessage(message, requestId);
  }

  #keepAlive(): void {
    const now = performance.now();
    const quietMs = now - this.#lastReceived;
    const pingMs = this.#pending.size > 0 ? BUSY_PING_MS : KEEP_ALIVE_MS;
    if (this.#pingedAt > this.#lastReceived) {
      if (now - this.#pingedAt < PONG_MS_MAX) return;
      this.destroy(new Error(`${formatAddress(this.address)} is silent for ${quietMs | 0} ms`));
    } else if (quietMs >= pingMs || now - this.#lastSent >= KEEP_ALIVE_MS) {
      this.#pingedAt = now;
      this.push({ kind: "ping" });
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    const error = this.#error ?? new Error(`${formatAddress(this.address)} closed the connection`);
    this.#events?.onClose(this.#closing ? undefined : error);
    for (const onAnswer of waiting) onAnswer(undefined);
  }
}

/** A refusal of the broker as an exception; a code of a later version becomes `internal`. */
export function toError(code: string, message: string, field = ""): TqError {
  const known = isErrorCode(code);
  return new TqError(known ? code : "internal", known ? message : `${code}: ${message}`, {
    field: field === "" ? undefined : field,
  });
}

function isAnswer(message: Message): boolean {
  return (
    message.kind === "submitted" ||
    message.kind === "answer" ||
    message.kind === "registered" ||
    message.kind === "reported"
  );
}
