/**
 * Has calls begun in turn, counts those that are taken back, and weighs what comes in, over all
 * connections, keys or none: what a call has sent of a message, and the message until it is
 * answered. It stands before all other interceptors. A call that was answered before its sender was
 * done is closed, so that nothing of it is kept.
 */
import { constants, type Http2Server, type ServerHttp2Stream } from "node:http2";
import * as grpc from "@grpc/grpc-js";
import type { TqError } from "task-queue-protocol";
import { Throttle } from "../observe/throttle.ts";
import { groupOf } from "../operations/address-group.ts";
import { memoryBytesOf } from "./bounded-decoding.ts";
import type { GrpcLogger } from "./context.ts";
import { streamOf, unreadPieces } from "./library.ts";
import { CALL_BYTES, REFUSED_MS_MAX, REQUEST_LOOK_MS } from "./limits.ts";
import { PIECE_BYTES, Pieces } from "./pieces.ts";
import { SERVICE_NAME } from "./service.ts";
import { toStatus } from "./status.ts";
import { TakenBack, type TookBack } from "./taken-back.ts";
import { Turns } from "./turns.ts";
import { type Place, UnderWay, type UnderWayLimits } from "./under-way.ts";

export interface IncomingOptions {
  readonly limits: UnderWayLimits;
  readonly messageBytesMax: number;
  readonly logger: GrpcLogger;
  /** Told of an address whose connection was cut, for so many bare calls among others. */
  readonly tookBack: (address: string, bareCalls: number) => void;
}

type Method = grpc.ServerMethodDefinition<object, object>;

/** A call, from its headers to the end of its stream. */
interface Entrant {
  readonly place: Place;
  /** Undefined: the library answers by itself, since there is no such call. */
  call: grpc.ServerInterceptingCallInterface | undefined;
  weigh: () => void;
}

const entrants = new WeakMap<ServerHttp2Stream, Entrant>();

/** Keeps so much more, or with a negative number less, of what a call has sent. */
export function holdOf(call: grpc.ServerInterceptingCallInterface): (bytes: number) => void {
  let inner = call as grpc.ServerInterceptingCallInterface & { nextCall?: typeof call };
  while (inner.nextCall !== undefined) inner = inner.nextCall;
  const { place } = entrants.get(streamOf(inner))!;
  return (bytes) => place.hold(bytes);
}

export class Incoming {
  readonly #options: IncomingOptions;
  readonly #underWay: UnderWay;
  readonly #throttle = new Throttle();
  readonly #turns = new Turns();
  readonly #takenBack: TakenBack;
  readonly #sweep: NodeJS.Timeout;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#underWay = new UnderWay(options.limits);
    this.#takenBack = new TakenBack(({ socket }, took) => this.#cut(socket.remoteAddress, took));
    this.#sweep = setInterval(() => this.#underWay.sweep(performance.now()), REQUEST_LOOK_MS);
    this.#sweep.unref();
  }

  /** Memory that it counts as taken. */
  get bytes(): number {
    return this.#underWay.bytes;
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  /** From now on the library sees a stream when it is its turn. */
  watch(server: Http2Server): void {
    const through = server.listeners("stream");
    server.removeAllListeners("stream");
    server.on("stream", (stream: ServerHttp2Stream, ...headers: readonly unknown[]) => {
      const group = groupOf(stream.session?.socket.remoteAddress ?? "");
      stream.once("aborted", () => {
        const isNew = this.#turns.takeBack(group, stream);
        this.#takenBack.add(stream, isNew && stream.readableLength === 0);
        // Its caller has gone: what nobody has read yet would keep it open until its turn.
        stream.resume();
      });
      // Until the library sees it, nobody else would hear of it.
      stream.once("error", () => undefined);
      this.#turns.add(group, stream, () => {
        if (stream.destroyed) return;
        this.#enter(stream, group);
        const hasEnded = stream.readableEnded;
        for (const each of through) each.call(server, stream, ...headers);
        // A call without a message may have ended before anybody listened.
        if (hasEnded) stream.emit("end");
      });
    });
  }

  #enter(stream: ServerHttp2Stream, group: string): void {
    const place = this.#underWay.enter(group, {
      isDone: () => hasCome(stream),
      isHeldBack: () => stream.isPaused() && stream.readableLength > 0,
      weigh: () => entrants.get(stream)!.weigh(),
      end: (why) => this.#end(stream, group, why),
    });
    entrants.set(stream, { place, call: undefined, weigh: () => undefined });
    stream.once("close", () => place.leave());
    stream.once("finish", () => {
      if (entrants.get(stream)?.call === undefined) closeUnread(stream);
    });
  }

  #cut(address = "", { calls, bareCalls }: TookBack): void {
    this.#options.tookBack(address, bareCalls);
    if (!this.#throttle.allows(`taken back ${address}`)) return;
    const what = `a connection of ${address} was cut: it took back ${calls} calls`;
    this.#options.logger.warn({ address, calls }, `gRPC: ${what}`);
  }

  #end(stream: ServerHttp2Stream, group: string, why: TqError): void {
    if (this.#throttle.allows(group)) {
      const fields = { address: group, bytes: this.#underWay.bytes };
      this.#options.logger.warn(fields, `gRPC: a call was ended unfinished: ${why.message}`);
    }
    const { call } = entrants.get(stream)!;
    call?.sendStatus(toStatus(why, "", this.#options.logger));
    closeUnread(stream);
    const { session } = stream;
    const cut = setTimeout(() => session?.destroy(), REFUSED_MS_MAX);
    stream.once("close", () => clearTimeout(cut));
  }

  /** The first of all, so that the call is the library's own. */
  interceptor(): grpc.ServerInterceptor {
    return (method, call) => {
      const stream = streamOf(call);
      const entrant = entrants.get(stream)!;
      entrant.call = call;
      const pieces = new Pieces(this.#options.messageBytesMax);
      const listener = method.requestStream
        ? ofStream(stream, entrant, pieces)
        : ofMessage(method, stream, entrant, pieces);
      return new grpc.ServerInterceptingCall(call, { start: (next) => next(listener) });
    };
  }
}

/** It sends from its headers to its end. What has come of it may still be unread. */
function ofMessage(
  method: Method,
  stream: ServerHttp2Stream,
  entrant: Entrant,
  pieces: Pieces,
): grpc.ServerListener {
  const { place } = entrant;
  const isOurs = method.path.startsWith(`/${SERVICE_NAME}/`);
  entrant.weigh = () => place.weigh(CALL_BYTES + pieces.bytes + unreadBytesOf(stream));
  place.begin(performance.now());
  entrant.weigh();
  stream.on("data", (piece: Buffer) => {
    pieces.take(piece);
    entrant.weigh();
  });
  return {
    onReceiveMetadata: (metadata, pass) => pass(metadata),
    onReceiveMessage: (message, pass) => {
      place.hold(isOurs ? memoryBytesOf(message) : pieces.lastBytes);
      pass(message);
    },
    onReceiveHalfClose: (pass) => {
      place.settle();
      pass();
    },
    onCancel: () => closeUnread(stream),
  };
}

/** It sends from the beginning to the end of each message, and may be silent in between. */
function ofStream(
  stream: ServerHttp2Stream,
  entrant: Entrant,
  pieces: Pieces,
): grpc.ServerListener {
  const { place } = entrant;
  entrant.weigh = () => place.weigh(pieces.bytes + unreadBytesOf(stream));
  stream.on("data", (piece: Buffer) => {
    if (pieces.take(piece)) place.begin(performance.now());
    if (pieces.bytes === 0) place.settle();
    else entrant.weigh();
  });
  return {
    onReceiveMetadata: (metadata, pass) => pass(metadata),
    onReceiveMessage: (message, pass) => pass(message),
    onReceiveHalfClose: (pass) => pass(),
    onCancel: () => closeUnread(stream),
  };
}

/** What has come, and waits for its turn to be read. */
function unreadBytesOf(stream: ServerHttp2Stream): number {
  return stream.readableLength + PIECE_BYTES * unreadPieces(stream);
}

function hasCome(stream: ServerHttp2Stream): boolean {
  return stream.readableEnded || stream.state.remoteClose === 1;
}

/** Its caller has his answer, or hears no more: what he sends from now on is not kept. */
function closeUnread(stream: ServerHttp2Stream): void {
  // A turn later: in the same one, the answer's trailers would be lost.
  setImmediate(() => {
    if (stream.closed || stream.destroyed || hasCome(stream)) return;
    stream.close(constants.NGHTTP2_NO_ERROR);
  });
}
