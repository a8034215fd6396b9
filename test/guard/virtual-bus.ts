/**
 * The bus between the brokers without its network: the real codec and outboxes on one side, the real
 * decoder on the other, and between them a while in which a frame is on its way. Counts what a real
 * network would have had to carry.
 */
import type {
  Bus,
  BusListener,
  Envelope,
  Forward,
  ForwardReply,
} from "../../packages/broker/src/ports.ts";
import {
  decodeBody,
  encodeEnvelope,
  encodeForwardReplies,
  encodeForwards,
} from "../../packages/broker/src/transport/codec.ts";
import { PROTOCOL_VERSIONS } from "../../packages/broker/src/transport/handshake.ts";
import { FRAME_BYTES, OUTBOX_BYTES_MAX } from "../../packages/broker/src/transport/limits.ts";
import { streamOf } from "../../packages/broker/src/transport/message-types.ts";
import { Outbox } from "../../packages/broker/src/transport/outbox.ts";
import type { StreamKind } from "../../packages/broker/src/transport/raft-service.ts";
import type { Tally } from "./tally.ts";
import type { VirtualTime } from "./virtual-time.ts";

const TRAVEL_MS = 0.1;
/** They come by the clock, however many tasks there are, and have frames of their own. */
const PACED: readonly string[] = ["heartbeat", "heartbeatReply"];
const VERSION = PROTOCOL_VERSIONS.max;

export class VirtualBus implements Bus {
  readonly #from: string;
  readonly #peers: ReadonlyMap<string, BusListener>;
  readonly #time: VirtualTime;
  readonly #tally: Tally;
  readonly #outboxes = new Map<string, Outbox>();

  /** `peers`: everybody's ear, by name; complete by the time that anything is sent. */
  constructor(
    from: string,
    peers: ReadonlyMap<string, BusListener>,
    time: VirtualTime,
    tally: Tally,
  ) {
    this.#from = from;
    this.#peers = peers;
    this.#time = time;
    this.#tally = tally;
  }

  send(envelope: Envelope): void {
    const { to, type } = envelope.message;
    this.#offer(to, streamOf(type), type, encodeEnvelope(envelope, VERSION));
  }

  forward(to: string, forwards: readonly Forward[]): void {
    this.#offer(to, "forward", "forward", encodeForwards(forwards));
  }

  forwardReply(to: string, replies: readonly ForwardReply[]): void {
    this.#offer(to, "forward", "forwardReply", encodeForwardReplies(replies));
  }

  fetchSnapshot(): AsyncIterable<Uint8Array> {
    throw new Error("nobody is so far behind");
  }

  setRoster(): void {}

  async close(): Promise<void> {}

  #offer(to: string, kind: StreamKind, type: string, message: Uint8Array): void {
    if (!PACED.includes(type)) {
      this.#tally.add(`bus messages, ${type}`);
      this.#tally.add(`bus bytes, ${kind}`, message.length);
    }
    const name = `${to} ${kind}`;
    const outbox = this.#outboxes.get(name) ?? this.#open(to, kind);
    this.#outboxes.set(name, outbox);
    if (!outbox.offer(message)) throw new Error(`too much waits for the ${kind} stream to ${to}`);
  }

  #open(to: string, kind: StreamKind): Outbox {
    const write = (parts: readonly Uint8Array[], written: () => void): void => {
      const frame = Buffer.concat(parts);
      if (kind !== "control") this.#tally.add(`bus frames, ${kind}`);
      this.#time.after(TRAVEL_MS, () => {
        this.#deliver(to, frame);
        written();
      });
    };
    return new Outbox(write, OUTBOX_BYTES_MAX[kind], FRAME_BYTES);
  }

  #deliver(to: string, frame: Buffer): void {
    const listener = this.#peers.get(to);
    if (listener === undefined) throw new Error(`nobody is called ${to}`);
    for (const parcel of decodeBody(frame, this.#from, to, VERSION)) {
      if (parcel.type === "envelope") listener.onEnvelope(this.#from, parcel.envelope);
      else if (parcel.type === "forwards") listener.onForwards(this.#from, parcel.forwards);
      else listener.onForwardReplies(this.#from, parcel.replies);
    }
  }
}
