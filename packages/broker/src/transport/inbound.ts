/**
 * The streams that members have opened to this node.
 *
 * Invariants: nothing of a stream is read before its Hello was judged good; of each member there is
 * at most one stream of each kind, the newest; a stream that was replaced or has ended delivers
 * nothing more; `onPeer` alternates between true and false for each member and speaks of its
 * control stream only.
 */
import * as grpc from "@grpc/grpc-js";
import type { NodeId } from "task-queue-raft";
import type { BusListener, ClusterMember } from "../ports.ts";
import type { AcceptStream, EndCall, InboundCall } from "./bus-server.ts";
import { CodecError } from "./bytes.ts";
import { decodeBody, type Parcel } from "./codec.ts";
import type { Doorkeeper } from "./doorkeeper.ts";
import { agreedVersion, type Hello, type Party, type VersionRange } from "./handshake.ts";
import { PROGRAM_CHARS_MAX } from "./limits.ts";
import type { Logger } from "./logger.ts";
import { streamOf } from "./message-types.ts";
import { type StreamKind, unpackFrame } from "./raft-service.ts";

export interface InboundOptions {
  readonly self: Party;
  readonly versions: VersionRange;
  readonly doorkeeper: Doorkeeper;
  readonly listener: BusListener;
  readonly log: Logger;
  /** A member has just opened its control stream. */
  readonly onArrival: (peer: NodeId) => void;
}

interface InboundStream {
  readonly kind: StreamKind;
  readonly peer: NodeId;
  readonly incarnation: string;
  readonly boot: number;
  /** Of the bus protocol, in which its messages are. */
  readonly version: number;
  readonly end: EndCall;
  /** It is the one in the map; false once replaced or ended, and then for ever. */
  live: boolean;
}

export class Inbound {
  readonly #options: InboundOptions;
  readonly #streams = new Map<NodeId, Map<StreamKind, InboundStream>>();

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  connected(peer: NodeId): boolean {
    return this.connectedStart(peer) !== undefined;
  }

  /** Under which start its control stream is open. */
  connectedStart(peer: NodeId): number | undefined {
    return this.#streams.get(peer)?.get("control")?.boot;
  }

  /** Streams of all but these members, as they are now, end at once. */
  keepOnly(members: readonly ClusterMember[]): void {
    for (const stream of this.#all()) {
      const member = members.find((candidate) => candidate.id === stream.peer);
      if (member?.incarnation === stream.incarnation) continue;
      this.#endWith(
        stream,
        grpc.status.FAILED_PRECONDITION,
        `${stream.peer} is no member any more`,
      );
    }
  }

  close(): void {
    for (const stream of this.#all()) {
      this.#endWith(stream, grpc.status.UNAVAILABLE, `${this.#options.self.nodeId} is closing`);
    }
  }

  /** Judges a new stream; from then on it delivers to the listener until it ends. */
  readonly accept: AcceptStream = (kind, call, end) => {
    // Without a handler, an error of the connection would be thrown at the whole process.
    call.on("error", () => {});
    const admission = this.#options.doorkeeper.admit(call.metadata, call.getPeer());
    if (!admission.ok) return end(admission);
    call.sendMetadata(admission.welcome);
    this.#open(kind, call, end, admission.hello);
  };

  #open(kind: StreamKind, call: InboundCall, end: EndCall, hello: Hello): void {
    const peer = hello.nodeId;
    const { incarnation, boot } = hello;
    const version = agreedVersion(hello, this.#options.versions);
    const stream: InboundStream = { kind, peer, incarnation, boot, version, end, live: true };
    this.#replaceBy(stream, hello);
    call.on("data", (frame: Buffer) => this.#receive(stream, frame));
    call.on("end", () => this.#endWith(stream, grpc.status.OK, ""));
    call.on("cancelled", () => this.#drop(stream));
    if (kind === "control") this.#options.onArrival(peer);
  }

  /**
   * The newer stream takes the place of the one of its kind, and of all that an earlier start of
   * the member has left behind. The listener hears of it only if the member was away in between.
   */
  #replaceBy(stream: InboundStream, { supports, program = "" }: Hello): void {
    const { peer, kind } = stream;
    const status = { code: grpc.status.ABORTED, details: "replaced by a newer stream" };
    const streams = this.#streams.get(peer) ?? new Map<StreamKind, InboundStream>();
    for (const old of [...streams.values()]) {
      if (old.boot !== stream.boot) {
        this.#drop(old);
        old.end(status);
      } else if (old.kind === kind) {
        old.live = false;
        old.end(status);
      }
    }
    const known = streams.has(kind);
    this.#streams.set(peer, streams);
    streams.set(kind, stream);
    if (kind !== "control" || known) return;
    this.#options.listener.onPeer(peer, true, supports, program.slice(0, PROGRAM_CHARS_MAX));
  }

  #receive(stream: InboundStream, frame: Buffer): void {
    if (!stream.live) return;
    let parcels: readonly Parcel[];
    try {
      const { peer, version } = stream;
      parcels = decodeBody(unpackFrame(frame), peer, this.#options.self.nodeId, version);
      for (const parcel of parcels) assertBelongs(parcel, stream.kind);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      this.#damaged(stream, error);
      return;
    }
    for (const parcel of parcels) if (stream.live) this.#deliver(stream.peer, parcel);
  }

  #deliver(peer: NodeId, parcel: Parcel): void {
    const { listener } = this.#options;
    if (parcel.type === "envelope") listener.onEnvelope(peer, parcel.envelope);
    else if (parcel.type === "forwards") listener.onForwards(peer, parcel.forwards);
    else listener.onForwardReplies(peer, parcel.replies);
  }

  #damaged(stream: InboundStream, error: CodecError): void {
    const details = `damaged bytes on the ${stream.kind} stream: ${error.message}`;
    this.#options.log.error(
      { peer: stream.peer, stream: stream.kind, reason: error.message },
      `${details}; nothing of this frame was delivered, the stream was closed`,
    );
    this.#endWith(stream, grpc.status.DATA_LOSS, details);
  }

  #endWith(stream: InboundStream, code: grpc.status, details: string): void {
    if (!stream.live) return;
    this.#drop(stream);
    stream.end({ code, details });
  }

  #drop(stream: InboundStream): void {
    if (!stream.live) return;
    stream.live = false;
    this.#streams.get(stream.peer)?.delete(stream.kind);
    if (stream.kind === "control") this.#options.listener.onPeer(stream.peer, false);
  }

  #all(): readonly InboundStream[] {
    return [...this.#streams.values()].flatMap((streams) => [...streams.values()]);
  }
}

function assertBelongs(parcel: Parcel, kind: StreamKind): void {
  const proper = parcel.type === "envelope" ? streamOf(parcel.envelope.message.type) : "forward";
  if (proper === kind) return;
  const what = parcel.type === "envelope" ? parcel.envelope.message.type : parcel.type;
  throw new CodecError(`${what} does not belong on this stream`);
}
