/**
 * Has calls begun in turn, counts those that are taken back, and weighs what comes in, over all
 * connections, keys or none: what a call has sent of a message, and the message until it is
 * answered. It stands before all other interceptors. A call that was answered before its sender was
 * done is closed, so that nothing of it is kept.
 */
import {
  constants,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
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
  /** Told of an address whose connection was cut: it took back so many calls before their turn. */
  readonly tookBack: (address: string, unbegunCalls: number) => void;
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
    server.on("session", (session: ServerHttp2Session) => {
      // Before the server's: what is refused there has not been taken back.
      session.prependListener("stream", (stream) => this.#countGone(session, stream));
    });
    server.on("stream", (stream: ServerHttp2Stream, headers, ...more: readonly unknown[]) => {
      if (isGone(stream)) return;
      // Until the library sees it, nobody else would hear of it.
      stream.once("error", () => undefined);
      if (headers[":method"] !== "POST") return this.#answerNoCall(stream);
      this.#await(stream, () => {
        const hasEnded = stream.readableEnded;
        for (const each of through) each.call(server, stream, headers, ...more);
        // A call without a message may have ended before anybody listened.
        if (hasEnded) stream.emit("end");
      });
    });
  }

  /** What waited on a socket is read in one go: such a call came and went before it was told of. */
  #countGone(session: ServerHttp2Session, stream: ServerHttp2Stream): void {
    if (!isGone(stream)) return;
    this.#takenBack.add(session, stream.readableLength === 0 ? "bare" : "unbegun");
    stream.resume();
  }

  /** Counts it at once, for of those without a body Node does not say that they were taken back. */
  #answerNoCall(stream: ServerHttp2Stream): void {
    this.#takenBack.add(stream.session, "bare");
    if (isGone(stream)) return;
    stream.respond({ ":status": 405, allow: "POST" }, { endStream: true });
    stream.resume();
    closeUnread(stream);
  }

  #await(stream: ServerHttp2Stream, pass: () => void): void {
    const { session } = stream;
    const group = groupOf(session?.socket.remoteAddress ?? "");
    const takeBack = (): void => {
      const isNew = this.#turns.takeBack(group, stream);
      const isBare = isNew && stream.readableLength === 0;
      this.#takenBack.add(session, isBare ? "bare" : isNew ? "unbegun" : "begun");
      // Its caller has gone: what nobody has read yet would keep it open until its turn.
      stream.resume();
    };
    stream.once("aborted", takeBack);
    const begin = (): void => {
      if (stream.destroyed) return;
      this.#enter(stream, group);
      pass();
    };
    const refuse = (): void => {
      // To Node, what is closed unanswered is aborted, whoever does it.
      stream.off("aborted", takeBack);
      // Clients send such a call again by themselves: nothing was done for it.
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      stream.resume();
    };
    this.#turns.add(group, stream, { begin, refuse });
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

  #cut(address = "", { calls, unbegunCalls }: TookBack): void {
    this.#options.tookBack(address, unbegunCalls);
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

/** Taken back or lost. */
function isGone(stream: ServerHttp2Stream): boolean {
  return stream.closed || stream.destroyed;
}

function hasCome(stream: ServerHttp2Stream): boolean {
  return stream.readableEnded || stream.state.remoteClose === 1;
}

/** Its caller has his answer, or hears no more: what he sends from now on is not kept. */
function closeUnread(stream: ServerHttp2Stream): void {
  // A turn later: in the same one, the answer's trailers would be lost.
  setImmediate(() => {
    if (isGone(stream) || hasCome(stream)) return;
    stream.close(constants.NGHTTP2_NO_ERROR);
  });
}
