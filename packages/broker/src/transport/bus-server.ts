/**
 * The listening end of the bus: one port, open from before formation until the broker stops.
 *
 * Composition: `BusServer.listen` first, then `form` (which answers greetings on it and finds or
 * founds the cluster), then `startBus` (which accepts streams on it). Until `startBus`, streams are
 * refused as "try again"; greetings are answered for ever. Whoever called `listen` closes it, last.
 *
 * It owns the TCP listener itself and hands accepted sockets to the grpc server: that gives a bound
 * on connections before any of their bytes are read, plain errors for a busy port, and an end that
 * waits for nobody.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { Throttle } from "../observe/throttle.ts";
import { helloOf } from "./doorkeeper.ts";
import { CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, SERVER_OPTIONS } from "./limits.ts";
import type { Logger } from "./logger.ts";
import { joinHostPort } from "./peers.ts";
import {
  type BackupsReply,
  type BackupsRequest,
  type FormReply,
  type FormRequest,
  type GreetReply,
  type GreetRequest,
  RAFT_SERVICE,
  type RejoinReply,
  type RejoinRequest,
  type SnapshotChunk,
  type SnapshotRequest,
  STREAM_KINDS,
  type StreamKind,
} from "./raft-service.ts";
import type { BusSecurity } from "./security.ts";

/** Answers what nodes ask before they share a cluster. A rejection becomes the call's status. */
export interface Greeter {
  greet(request: GreetRequest): GreetReply;
  form(request: FormRequest): Promise<FormReply>;
}

/** Answers a member that has lost data; `from` is its address, for the log. */
export type AnswerRejoin = (request: RejoinRequest, from: string) => Promise<RejoinReply>;

/** Answers a member that wants to know of backups. */
export type AnswerBackups = (request: BackupsRequest) => Promise<BackupsReply>;

/** A stream as a member opened it: not yet judged, nothing read. */
export type InboundCall = grpc.ServerReadableStream<Buffer, object>;
/** Ends the stream with a status. */
export type EndCall = (status: { readonly code: grpc.status; readonly details: string }) => void;
export type AcceptStream = (kind: StreamKind, call: InboundCall, end: EndCall) => void;

/** A member that wants a snapshot: not yet judged. */
export type SnapshotCall = grpc.ServerWritableStream<SnapshotRequest, SnapshotChunk>;
/** `cut` ends the call together with its connection, for a reader that does not read. */
export type AcceptSnapshot = (call: SnapshotCall, cut: () => void) => void;

/** What a node of a cluster does with the calls of others. */
export interface Acceptors {
  readonly stream: AcceptStream;
  readonly snapshot: AcceptSnapshot;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly log: Logger;
  /** Plain text without. */
  readonly security?: BusSecurity | undefined;
}

export class BusServer {
  readonly #options: ListenOptions;
  readonly #throttle = new Throttle();
  readonly #listener: Server;
  readonly #grpc = new grpc.Server(SERVER_OPTIONS);
  readonly #sockets = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();
  #port = 0;
  #greeter: Greeter | undefined;
  #acceptors: Acceptors | undefined;
  #answerRejoin: AnswerRejoin | undefined;
  #answerBackups: AnswerBackups | undefined;
  #closed = false;

  private constructor(options: ListenOptions) {
    this.#options = options;
    this.#grpc.addService(RAFT_SERVICE as unknown as grpc.ServiceDefinition, this.#handlers());
    // What reaches it is decrypted already, where there is TLS.
    const injector = this.#grpc.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    this.#listener = createServer({ noDelay: true }, (socket) => {
      if (this.#admit(socket)) injector.injectConnection(socket);
    });
    options.security?.guard(this.#listener);
  }

  /** Rejects with an error that names address and setting when the port cannot be had. */
  static async listen(options: ListenOptions): Promise<BusServer> {
    const server = new BusServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#listener.once("error", (error) => reject(listenError(options, error)));
      server.#listener.listen(options.port, options.host, resolve);
    });
    const address = server.#listener.address();
    if (typeof address === "object" && address !== null) server.#port = address.port;
    server.#listener.on("error", (error) => {
      options.log.error({ error: error.message }, "the bus port fails to accept connections");
    });
    return server;
  }

  /** The port that it listens on, or did. */
  get port(): number {
    return this.#port;
  }

  /** Open connections from others, whatever they are for. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** From now on `greeter` answers; until the first, greetings are answered with "try again". */
  answerGreetings(greeter: Greeter): void {
    this.#greeter = greeter;
  }

  /** From now on these get every new stream; undefined: they are refused as "try again". */
  acceptStreams(acceptors: Acceptors | undefined): void {
    this.#acceptors = acceptors;
  }

  /** From now on `answer` is asked; undefined: they are refused as "try again". */
  answerRejoins(answer: AnswerRejoin | undefined): void {
    this.#answerRejoin = answer;
  }

  /** From now on `answer` is asked; until then they are refused as "try again". */
  answerBackups(answer: AnswerBackups): void {
    this.#answerBackups = answer;
  }

  /** Ends every connection at once. Streams have no end of their own that one could wait for. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.#grpc.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #handlers(): grpc.UntypedServiceImplementation {
    const handlers: Record<string, grpc.UntypedHandleCall> = {
      snapshot: (call: SnapshotCall) => {
        const peer = call.getPeer();
        const impostor = this.#impostor(call, helloOf(call.metadata)?.nodeId);
        if (impostor !== undefined) call.emit("error", impostor);
        else if (this.#acceptors === undefined) call.emit("error", TRY_AGAIN);
        else this.#acceptors.snapshot(call, () => this.#cut(peer));
      },
      greet: (call: UnaryCall<GreetRequest>, callback: Answer<GreetReply>) => {
        const impostor = this.#impostor(call, call.request.from?.member?.id);
        if (impostor !== undefined) return callback(impostor);
        void answer(callback, async () => this.#greeterOrThrow().greet(call.request));
      },
      form: (call: UnaryCall<FormRequest>, callback: Answer<FormReply>) => {
        void answer(callback, () => this.#greeterOrThrow().form(call.request));
      },
      rejoin: (call: UnaryCall<RejoinRequest>, callback: Answer<RejoinReply>) => {
        const impostor = this.#impostor(call, call.request.member?.id);
        if (impostor !== undefined) return callback(impostor);
        void answer(callback, async () => {
          if (this.#answerRejoin === undefined) throw new NotReady(NOT_READY);
          return this.#answerRejoin(call.request, call.getPeer());
        });
      },
      backups: (call: UnaryCall<BackupsRequest>, callback: Answer<BackupsReply>) => {
        const impostor = this.#impostor(call, call.request.nodeId);
        if (impostor !== undefined) return callback(impostor);
        void answer(callback, async () => {
          if (this.#answerBackups === undefined) throw new NotReady(NOT_READY);
          return this.#answerBackups(call.request);
        });
      },
    };
    for (const kind of STREAM_KINDS) {
      handlers[kind] = (call: InboundCall, callback: grpc.sendUnaryData<object>) => {
        const end: EndCall = (status) => {
          if (status.code === grpc.status.OK) callback(null, {});
          else callback(status);
        };
        const impostor = this.#impostor(call, helloOf(call.metadata)?.nodeId);
        if (impostor !== undefined) end(impostor);
        else if (this.#acceptors === undefined) end(TRY_AGAIN);
        else this.#acceptors.stream(kind, call, end);
      };
    }
    return handlers;
  }

  /** A caller who calls itself what its certificate does not say, before it is listened to. */
  #impostor(call: AnyCall, nodeId: string | undefined): Refusal | undefined {
    const { security, log } = this.#options;
    if (security === undefined || nodeId === undefined) return undefined;
    const details = security.refusal(certificateOf(call), nodeId);
    if (details === undefined) return undefined;
    const from = call.getPeer();
    if (this.#throttle.allows(`${from.slice(0, from.lastIndexOf(":"))} ${details}`)) {
      log.warn({ from, reason: details }, `refused ${nodeId} at ${from}: ${details}`);
    }
    return { code: grpc.status.FAILED_PRECONDITION, details };
  }

  /** In a turn of its own: the session may be busy with the very bytes that led here. */
  #cut(peer: string): void {
    setImmediate(() => {
      for (const socket of this.#sockets) {
        if (`${socket.remoteAddress}:${socket.remotePort}` === peer) socket.destroy();
      }
    });
  }

  #greeterOrThrow(): Greeter {
    if (this.#greeter !== undefined) return this.#greeter;
    throw new NotReady(NOT_READY);
  }

  /** Bounds connections before any of their bytes are read. */
  #admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "gone";
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#sockets.size >= CONNECTIONS_MAX || count >= CONNECTIONS_PER_ADDRESS_MAX) {
      socket.destroy();
      if (this.#throttle.allows(address)) {
        const fields = { address, connections: this.#sockets.size, fromThere: count };
        this.#options.log.warn(fields, `too many bus connections: one from ${address} was closed`);
      }
      return false;
    }
    this.#sockets.add(socket);
    this.#perAddress.set(address, count + 1);
    // A reset needs no line of its own: the streams of the connection report that they ended.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = this.#perAddress.get(address)! - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
    return true;
  }
}

type AnyCall = Pick<InboundCall, "getPeer" | "getAuthContext">;
type Refusal = { readonly code: grpc.status; readonly details: string };
type UnaryCall<T> = grpc.ServerUnaryCall<T, object>;
type Answer<T> = grpc.sendUnaryData<T>;

const NOT_READY = "not ready for this yet: try again";
const TRY_AGAIN = { code: grpc.status.UNAVAILABLE, details: NOT_READY } as const;

function certificateOf(call: AnyCall): PeerCertificate | undefined {
  return call.getAuthContext().sslPeerCertificate;
}

class NotReady extends Error {}

async function answer<T>(callback: Answer<T>, reply: () => Promise<T>): Promise<void> {
  try {
    callback(null, await reply());
  } catch (error) {
    const code = error instanceof NotReady ? grpc.status.UNAVAILABLE : grpc.status.INTERNAL;
    callback({ code, details: error instanceof Error ? error.message : String(error) });
  }
}

function listenError(options: ListenOptions, error: NodeJS.ErrnoException): Error {
  const where = joinHostPort(options.host, options.port);
  const why =
    error.code === "EADDRINUSE"
      ? `port ${options.port} is in use`
      : `${error.code ?? "error"} (${error.message})`;
  return new Error(
    `the bus cannot listen on ${where}: ${why}; ` +
      `set raft.port to a free port and name it in the others' peers: id@host:port/busport`,
    { cause: error },
  );
}
