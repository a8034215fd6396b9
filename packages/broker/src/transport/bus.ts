/**
 * The bus of one member of a cluster: two outbound connections to each other member (control alone,
 * entries and forwarded writes together), and the streams that the others have opened to it.
 *
 * A message to B always goes out on this node's own stream to B, so that order is kept within each
 * of the three kinds of stream, and only there. Sending never blocks and never fails: without a
 * stream, or beyond the bound of what may wait for it, a message is dropped.
 */
import { ok as assert } from "node:assert/strict";
import type { NodeId } from "task-queue-raft";
import { Throttle } from "../observe/throttle.ts";
import type {
  Bus,
  BusListener,
  Envelope,
  Formation,
  Forward,
  ForwardReply,
  Identity,
  Member,
} from "../ports.ts";
import type { BusServer } from "./bus-server.ts";
import { encodeEnvelope, encodeForwardReplies, encodeForwards, streamOf } from "./codec.ts";
import { type Party, PROTOCOL_VERSIONS, type VersionRange } from "./handshake.ts";
import { Inbound } from "./inbound.ts";
import { FRAME_BYTES, MESSAGE_BYTES_MAX } from "./limits.ts";
import { type DialOptions, Link, type LinkReport } from "./link.ts";
import type { Logger } from "./logger.ts";
import { dialAddresses, type PeerAddress } from "./peers.ts";
import type { StreamKind } from "./raft-service.ts";

export interface BusOptions {
  readonly server: BusServer;
  readonly identity: Pick<Identity, "nodeId" | "incarnation" | "boots">;
  readonly formation: Formation;
  /** Hints where members may be found, beside what the formation says. */
  readonly peers: readonly PeerAddress[];
  readonly listener: BusListener;
  readonly log: Logger;
  readonly dial?: DialOptions;
  readonly versions?: VersionRange;
  /** Uniform in [0, 1): jitter. */
  readonly random?: () => number;
}

/** How things stand with one other member. */
export interface PeerStatus {
  readonly id: NodeId;
  /** Its control stream to this node is open. */
  readonly inbound: boolean;
  /** This node's streams to it are open. */
  readonly outbound: boolean;
  /** Bytes that wait to be sent to it. */
  readonly waitingBytes: number;
  /** Messages dropped since the start because too much was waiting. */
  readonly dropped: number;
}

export interface PeerBus extends Bus {
  /** Other members from now on: links to new ones are opened, those of removed ones closed. */
  setMembers(members: readonly Member[]): void;
  peers(): readonly PeerStatus[];
}

/** Accepts streams on `server` and dials every other member, until `close`. */
export function startBus(options: BusOptions): PeerBus {
  return new GrpcBus(options);
}

interface Peer {
  readonly member: Member;
  readonly control: Link;
  readonly bulk: Link;
  dropped: number;
}

class GrpcBus implements PeerBus {
  readonly #options: BusOptions;
  readonly #self: Party;
  readonly #throttle = new Throttle();
  readonly #peers = new Map<NodeId, Peer>();
  readonly #inbound: Inbound;

  constructor(options: BusOptions) {
    const { identity, formation, listener, log, server } = options;
    const { nodeId, incarnation, boots } = identity;
    this.#options = options;
    this.#self = { clusterId: formation.clusterId, nodeId, incarnation, boot: boots };
    const versions = options.versions ?? PROTOCOL_VERSIONS;
    const onArrival = (peer: NodeId) => this.#nudge(peer);
    const inbound = { self: this.#self, versions, listener, log, onArrival };
    this.#inbound = new Inbound(inbound, formation.members);
    this.setMembers(formation.members);
    server.acceptStreams(this.#inbound.accept);
  }

  send(envelope: Envelope): void {
    const { to, type } = envelope.message;
    this.#send(to, streamOf(type), () => encodeEnvelope(envelope));
  }

  forward(to: NodeId, forwards: readonly Forward[]): void {
    for (const group of groups(forwards, (forward) => forward.command.length)) {
      this.#send(to, "forward", () => encodeForwards(group));
    }
  }

  forwardReply(to: NodeId, replies: readonly ForwardReply[]): void {
    for (const group of groups(replies, (reply) => reply.outcome?.reply.length ?? 0)) {
      this.#send(to, "forward", () => encodeForwardReplies(group));
    }
  }

  setMembers(members: readonly Member[]): void {
    this.#inbound.setMembers(members);
    for (const [id, peer] of this.#peers) {
      const now = members.find((member) => member.id === id);
      if (now?.incarnation === peer.member.incarnation && now.bus === peer.member.bus) continue;
      this.#peers.delete(id);
      closePeer(peer);
    }
    for (const member of members) {
      if (member.id === this.#self.nodeId || this.#peers.has(member.id)) continue;
      this.#peers.set(member.id, this.#reach(member, members));
    }
  }

  peers(): readonly PeerStatus[] {
    return [...this.#peers.values()].map(({ member, control, bulk, dropped }) => ({
      id: member.id,
      inbound: this.#inbound.connected(member.id),
      outbound: control.up && bulk.up,
      waitingBytes:
        control.waitingBytes("control") +
        bulk.waitingBytes("append") +
        bulk.waitingBytes("forward"),
      dropped,
    }));
  }

  async close(): Promise<void> {
    this.#options.server.acceptStreams(undefined);
    for (const peer of this.#peers.values()) closePeer(peer);
    this.#peers.clear();
    this.#inbound.close();
  }

  #send(to: NodeId, kind: StreamKind, encode: () => Uint8Array): void {
    const peer = this.#peers.get(to);
    const link = kind === "control" ? peer?.control : peer?.bulk;
    // Nothing is encoded for a peer that is away.
    if (peer === undefined || link === undefined || !link.up) return;
    const message = encode();
    assert(message.length <= MESSAGE_BYTES_MAX, `a bus message of ${message.length} bytes`);
    if (link.send(kind, message) !== "full") return;
    peer.dropped++;
    if (!this.#throttle.allows(`full ${to} ${kind}`)) return;
    this.#options.log.warn(
      { peer: to, stream: kind, waitingBytes: link.waitingBytes(kind), dropped: peer.dropped },
      `${to} reads its ${kind} stream too slowly: messages to it are dropped`,
    );
  }

  #nudge(id: NodeId): void {
    const peer = this.#peers.get(id);
    peer?.control.nudge();
    peer?.bulk.nudge();
  }

  #reach(member: Member, members: readonly Member[]): Peer {
    const { dial = {}, random = Math.random, versions = PROTOCOL_VERSIONS } = this.#options;
    const addresses = dialAddresses(member, members, this.#options.peers);
    const report = this.#report(member);
    const common = { self: this.#self, versions, member, addresses, dial, random };
    const control = new Link({ ...common, kinds: ["control"], report });
    const bulk = new Link({ ...common, kinds: ["append", "forward"], report });
    return { member, control, bulk, dropped: 0 };
  }

  /** Both connections to a member fail for the same reasons: one line for both. */
  #report(member: Member): LinkReport {
    const { log } = this.#options;
    const peer = member.id;
    let told = new Set<string>();
    return {
      onUp: (address) => {
        const state = this.#peers.get(peer);
        if (state === undefined || !state.control.up || !state.bulk.up) return;
        for (const key of told) this.#throttle.forget(key);
        told = new Set();
        log.info({ peer, address }, `connected to ${peer} at ${address}`);
      },
      onDown: (address, reason, refused) => {
        const key = `${peer} ${address} ${reason}`;
        told.add(key);
        if (!this.#throttle.allows(key)) return;
        const verb = refused ? "refused:" : "no connection:";
        log.warn({ peer, address, reason }, `${peer} at ${address}: ${verb} ${reason}`);
      },
    };
  }
}

function closePeer(peer: Peer): void {
  peer.control.close();
  peer.bulk.close();
}

/** What a message carries around each of its items, at most. */
const ITEM_SLACK_BYTES = 32;

/** Splits in order, so that no message exceeds a frame unless a single item does. */
function groups<T>(items: readonly T[], sizeOf: (item: T) => number): readonly (readonly T[])[] {
  const result: T[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const bytes = sizeOf(item) + ITEM_SLACK_BYTES;
    if (size + bytes > FRAME_BYTES) {
      result.push([]);
      size = 0;
    }
    result.at(-1)!.push(item);
    size += bytes;
  }
  return result;
}
