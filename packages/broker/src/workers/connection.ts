/**
 * One connection of the worker port: from the first byte to the last, within its limits. It reads
 * frames, hands each to its handler, and sends what they answer. It translates and never decides:
 * every judgement about tasks is the broker's. A peer that breaks the format gets one error and is
 * cut off.
 */
import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import {
  decodeMessage,
  FRAME_OVERHEAD_BYTES,
  type Frame,
  FrameReader,
  type Hello,
  type Message,
  maxFrameBytes,
  ProtocolError,
  type SentMessage,
  TqError,
  VERSION_MAX,
} from "task-queue-protocol";
import type { Caller } from "../operations/access.ts";
import { shown } from "../operations/invalid.ts";
import { assert } from "../queue/index.ts";
import { handleCall } from "./calls.ts";
import { handleNotes } from "./notes.ts";
import { Outbound } from "./outbound.ts";
import type { Peer, PortContext } from "./port.ts";
import { asTqError, errorMessage, noCommonVersion } from "./refusal.ts";
import { handleReport } from "./reports.ts";
import { recognise } from "./stranger.ts";
import { handleSubmit } from "./submits.ts";
import { WorkerSession } from "./worker-session.ts";

export class Connection implements Peer {
  readonly address: string;
  readonly #port: PortContext;
  readonly #socket: Socket;
  readonly #outbound: Outbound;
  readonly #reader = new FrameReader(FRAME_OVERHEAD_BYTES);
  readonly #abort = new AbortController();
  readonly #waits = new AbortController();
  readonly #acceptedAt = performance.now();
  #receivedAt = performance.now();
  /** When the first byte of an unfinished frame came; 0 = no frame is unfinished. */
  #partSince = 0;
  #hello: Hello | undefined;
  /** Whoever says hello, from when the key was found to be good. */
  #caller: Caller | undefined;
  /** Frames wait while a key is looked at. */
  #isIdentifying = false;
  #session: WorkerSession | undefined;
  #openItems = 0;
  #openBytes = 0;
  #openCalls = 0;
  #paused = false;
  #ended = false;

  constructor(port: PortContext, socket: Socket, onClose: () => void) {
    this.#port = port;
    this.#socket = socket;
    this.address = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? "?"}`;
    this.#outbound = new Outbound(socket, () => this.#drained());
    setMaxListeners(0, this.#waits.signal);
    this.#abort.signal.addEventListener("abort", () => this.#waits.abort(), { once: true });
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    // A reset by the peer is as good as its good-bye; `close` follows and does the work.
    socket.on("error", (error) => port.logger.debug({ err: error, peer: this.address }, "reset"));
    socket.on("close", () => {
      this.#ended = true;
      this.#abort.abort();
      this.#session?.detach();
      onClose();
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get caller(): Caller {
    assert(this.#caller !== undefined, "nothing is handled before the hello was accepted");
    return this.#caller;
  }

  get waits(): AbortSignal {
    return this.#waits.signal;
  }

  get unsentBytes(): number {
    return this.#outbound.unsentBytes;
  }

  get isStranger(): boolean {
    return this.#caller === undefined && !this.#ended;
  }

  /** Is nothing unanswered and nothing unsent? */
  get isIdle(): boolean {
    return this.#openItems === 0 && this.#openCalls === 0 && this.unsentBytes === 0;
  }

  send(requestId: number, message: SentMessage): void {
    if (this.#ended) return;
    this.#outbound.put(requestId, message);
    const { outboundBytes } = this.#port.limits;
    if (this.unsentBytes > outboundBytes) {
      this.#cut(`it does not read: ${this.unsentBytes} bytes wait, at most ${outboundBytes} may`);
    }
  }

  opened(items: number, bytes: number): void {
    this.#openItems += items;
    this.#openBytes += bytes;
  }

  settled(items: number, bytes: number): void {
    this.#openItems -= items;
    this.#openBytes -= bytes;
    if (this.#paused) this.#resume();
  }

  refuse(code: "invalid_request" | "state_conflict", message: string): void {
    this.#fail(new TqError(code, message));
  }

  mayWork(): boolean {
    try {
      this.caller.demand("work");
      return true;
    } catch (error) {
      this.#fail(asTqError(error));
      return false;
    }
  }

  /** The broker is closing: the peer should go elsewhere. */
  terminate(address: string, reason: string): void {
    this.send(0, { kind: "terminate", address, reason });
    // Whoever waits for a task goes on waiting at another broker, and must not hold up the close.
    this.#waits.abort();
  }

  /** Ends the connection after what was put in has been sent. */
  end(): void {
    this.#outbound.end();
    this.#ended = true;
    this.#abort.abort();
  }

  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  /** Called now and then: are all deadlines kept? */
  check(now: number): void {
    const { helloMs, frameMs, silenceMs, stallMs } = this.#port.limits;
    if (this.#ended) {
      // The peer was told to go; it has no claim to stay half open.
      if (now - this.#receivedAt > helloMs) this.#socket.destroy();
    } else if (this.#caller === undefined && now - this.#acceptedAt > helloMs) {
      this.#cut(`no hello within ${helloMs} ms`);
    } else if (this.#partSince > 0 && !this.#paused && now - this.#partSince > frameMs) {
      this.#cut(`a frame took longer than ${frameMs} ms`);
    } else if (this.#outbound.stalledMs(now) > stallMs) {
      this.#cut(`it took none of ${this.unsentBytes} bytes for ${stallMs} ms`);
    } else if (!this.#paused && now - this.#receivedAt > silenceMs) {
      this.#cut(`silent for ${silenceMs} ms`);
    } else if (this.#session !== undefined) {
      this.mayWork();
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    const isFirst = this.#hello === undefined && !this.#reader.incomplete && chunk.length >= 4;
    const stranger = isFirst ? recognise(chunk) : undefined;
    this.#receivedAt = performance.now();
    if (stranger !== undefined) {
      this.#warn(`${stranger.what} came to the worker port`);
      this.#socket.end(stranger.answer);
      this.#ended = true;
      return;
    }
    this.#reader.push(chunk);
    this.#readOn();
  }

  #readOn(): void {
    try {
      while (!this.#ended && !this.#pauseIfOverfull()) {
        const frame = this.#reader.next();
        if (frame === undefined) {
          this.#notePart();
          return;
        }
        this.#partSince = 0;
        this.#handle(frame);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof TqError)) throw error;
      this.#fail(asTqError(error));
    }
  }

  #notePart(): void {
    if (!this.#reader.incomplete) this.#partSince = 0;
    else if (this.#partSince === 0) this.#partSince = this.#receivedAt;
  }

  #handle(frame: Frame): void {
    const message = decodeMessage(frame);
    const { requestId } = frame;
    if (this.#hello !== undefined) this.#handleMessage(requestId, message);
    else if (message.kind === "hello") this.#identify(requestId, message);
    else if (message.kind === "unknownHello")
      this.refuse("invalid_request", noCommonVersion(message));
    else throw new ProtocolError("the first message is a hello");
  }

  /** Reading goes on when it is known who it is; `helloMs` counts until then. */
  #identify(requestId: number, hello: Hello): void {
    this.#hello = hello;
    this.#isIdentifying = true;
    this.#admit(hello).then(
      () => {
        if (this.#ended) return;
        this.#isIdentifying = false;
        this.#welcome(requestId, hello);
        this.#resume();
      },
      (error) => this.#fail(asTqError(error)),
    );
  }

  async #admit({ role, key }: Hello): Promise<void> {
    const caller = await this.#port.access.identify(key, this.#socket.remoteAddress ?? "");
    if (role === "worker") caller.demand("work");
    this.#caller = caller;
  }

  #welcome(requestId: number, hello: Hello): void {
    const { broker, version, submit, leaseMs, heartbeatMs } = this.#port;
    const frameBytes = maxFrameBytes(submit.maxPayloadBytes);
    this.#reader.maxBytes = frameBytes;
    const { clusterId, leader } = broker.status();
    this.send(requestId, {
      kind: "welcome",
      protocolVersion: Math.min(hello.maxVersion, VERSION_MAX),
      nodeId: broker.nodeId,
      clusterId,
      version,
      leader: leader?.address ?? "",
      maxFrameBytes: frameBytes,
      maxPayloadBytes: submit.maxPayloadBytes,
      leaseMs,
      heartbeatMs,
    });
  }

  #handleMessage(requestId: number, message: Message): void {
    switch (message.kind) {
      case "ping":
        this.send(requestId, { kind: "pong" });
        break;
      case "pong":
        break;
      case "submit":
        handleSubmit(this.#port, this, requestId, message);
        break;
      case "call":
        this.#call(requestId, message);
        break;
      case "complete":
      case "fail":
      case "release":
      case "extend":
        this.#expectWorker(message.kind);
        handleReport(this.#port, this, requestId, message, this.#attachedSession());
        break;
      case "report":
        this.#expectWorker(message.kind);
        handleNotes(this.#port, this, requestId, message, this.#expectSession(message.kind).id);
        break;
      case "register":
        this.#expectWorker(message.kind);
        this.#register(requestId, message);
        break;
      case "heartbeat":
        this.#expectSession(message.kind).beat(requestId);
        break;
      case "window":
        this.#expectSession(message.kind).setWindow(message.window);
        break;
      case "bye":
        this.#expectSession(message.kind).bye(requestId);
        break;
      default:
        throw new ProtocolError(`a ${message.kind} is not for a broker, or not now`);
    }
  }

  #call(requestId: number, message: Extract<Message, { kind: "call" }>): void {
    const { openCalls } = this.#port.limits;
    if (this.#openCalls >= openCalls) {
      const why = `${openCalls} calls of this connection are unanswered`;
      this.send(requestId, errorMessage(new TqError("overloaded", why)));
      return;
    }
    this.#openCalls++;
    handleCall(this.#port, this, requestId, message, () => {
      this.#openCalls--;
    });
  }

  #register(requestId: number, message: Extract<Message, { kind: "register" }>): void {
    const previous = this.#session;
    if (previous !== undefined && !previous.isOver && previous.id !== message.session) {
      throw new ProtocolError(`this connection carries session ${previous.id} already`);
    }
    previous?.detach();
    this.#session = new WorkerSession(this.#port, this, message);
    this.#session.register(requestId, message, this.#hello?.version ?? "");
  }

  #attachedSession(): string | undefined {
    return this.#session?.isAttached === true ? this.#session.id : undefined;
  }

  #expectWorker(kind: string): void {
    if (this.#hello?.role !== "worker") throw new ProtocolError(`a ${kind} from a client`);
    this.caller.demand("work");
  }

  #expectSession(kind: string): WorkerSession {
    if (this.#session === undefined) throw new ProtocolError(`a ${kind} before a register`);
    this.caller.demand("work");
    return this.#session;
  }

  /** Reading stops while too much of what was read has no answer, or answers are not being read. */
  #pauseIfOverfull(): boolean {
    if (this.#paused) return true;
    if (!this.#isOverfull(1)) return false;
    this.#paused = true;
    this.#socket.pause();
    return true;
  }

  #isOverfull(share: number): boolean {
    if (this.#isIdentifying) return true;
    const { openItems, openBytes, outboundHighBytes } = this.#port.limits;
    if (this.#openItems > openItems * share || this.#openBytes > openBytes * share) return true;
    // A worker's heartbeats must not wait behind its own deliveries.
    return this.#hello?.role === "client" && this.unsentBytes > outboundHighBytes * share;
  }

  #resume(): void {
    if (!this.#paused || this.#isOverfull(0.5)) return;
    this.#paused = false;
    this.#receivedAt = performance.now();
    this.#partSince = 0;
    // In a turn of its own: this is called from inside of handlers.
    setImmediate(() => {
      if (this.#ended || this.#paused) return;
      this.#readOn();
      if (!this.#paused) this.#socket.resume();
    });
  }

  #drained(): void {
    this.#session?.pump();
    this.#resume();
  }

  /** One last error, then the end. */
  #fail(error: TqError): void {
    if (this.#ended) return;
    this.#warn(error.message);
    this.send(0, errorMessage(error));
    this.end();
  }

  /** The peer does not keep a deadline or a bound: there is no use in telling it. */
  #cut(why: string): void {
    this.#warn(why);
    this.destroy();
  }

  #warn(why: string): void {
    const { logger, throttle } = this.#port;
    const peer = this.#hello === undefined ? "" : ` (${shown(this.#hello.name)})`;
    // One line for a stranger, however often it comes; by its address without the port.
    if (!throttle.allows(`${this.address.replace(/:\d+$/, "")} ${why}`)) return;
    logger.warn({ peer: this.address }, `closed ${this.address}${peer}: ${why}`);
  }
}
