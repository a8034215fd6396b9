/**
 * The bus of one member of a cluster: two outbound connections to each other member (control
 * alone, entries and forwarded writes together), one more while a snapshot is fetched, and the
 * streams that the others have opened to it. Who the others are stands in the `AddressBook`.
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
  Roster,
} from "../ports.ts";
import { AddressBook } from "./address-book.ts";
import type { BusServer } from "./bus-server.ts";
import { encodeEnvelope, encodeForwardReplies, encodeForwards } from "./codec.ts";
import type { DialOptions } from "./dial.ts";
import { Doorkeeper, type PeerStarts, saysRolledBack } from "./doorkeeper.ts";
import { type Hello, type Party, PROTOCOL_VERSIONS, type VersionRange } from "./handshake.ts";
import { Inbound } from "./inbound.ts";
import { FRAME_BYTES, MESSAGE_BYTES_MAX, SNAPSHOT_IDLE_MS } from "./limits.ts";
import { Link, type LinkReport } from "./link.ts";
import type { Logger } from "./logger.ts";
import { isKnownTo, streamOf } from "./message-types.ts";
import { dialAddresses, type PeerAddress } from "./peers.ts";
import type { StreamKind } from "./raft-service.ts";
import { RosterExchange } from "./roster-exchange.ts";
import { SnapshotFetches } from "./snapshot-fetch.ts";
import { SnapshotServer } from "./snapshot-server.ts";

export interface BusOptions {
  readonly server: BusServer;
  readonly identity: Pick<Identity, "nodeId" | "incarnation" | "boots" | "starts">;
  readonly formation: Formation;
  /** This node as it is configured now; by default, as the formation has it. */
  readonly member?: Member;
  /** Hints where members may be found, beside what the roster says. */
  readonly peers: readonly PeerAddress[];
  readonly listener: BusListener;
  readonly log: Logger;
  readonly dial?: DialOptions;
  readonly versions?: VersionRange;
  /** See `DoorkeeperOptions`. */
  readonly starts?: PeerStarts;
  /** Another member has seen a later start of this node than this one. */
  readonly onRolledBack?: (reason: string) => void;
  /** The version of this program, as the others show it. */
  readonly program?: string;
  /** Uniform in [0, 1): jitter. */
  readonly random?: () => number;
  /** A snapshot of which nothing moves for this long is given up. */
  readonly snapshotIdleMs?: number;
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
  peers(): readonly PeerStatus[];
}

/** Accepts streams on `server` and dials every other member, until `close`. */
export function startBus(options: BusOptions): PeerBus {
  return new GrpcBus(options);
}

/** In this version of the bus protocol; undefined: it does not know this, and need not be told. */
type Encode = (version: number) => Uint8Array | undefined;

interface Peer {
  readonly member: Member;
  readonly control: Link;
  readonly bulk: Link;
  dropped: number;
}

class GrpcBus implements PeerBus {
  readonly #options: BusOptions;
  readonly #self: Party;
  readonly #versions: VersionRange;
  readonly #throttle = new Throttle();
  readonly #peers = new Map<NodeId, Peer>();
  readonly #book: AddressBook;
  readonly #exchange: RosterExchange;
  readonly #inbound: Inbound;
  readonly #served: SnapshotServer;
  readonly #fetched: SnapshotFetches;
  #closed = false;

  constructor(options: BusOptions) {
    const { identity, formation, listener, log, server, peers, dial = {} } = options;
    const { nodeId, incarnation, boots } = identity;
    const { clusterId } = formation;
    const versions = options.versions ?? PROTOCOL_VERSIONS;
    const idleMs = options.snapshotIdleMs ?? SNAPSHOT_IDLE_MS;
    const member = options.member ?? formation.members.find(({ id }) => id === nodeId);
    assert(member !== undefined, `the formation does not list ${nodeId}`);
    const { versions: supports } = member;
    const party = { clusterId, nodeId, incarnation, boot: boots };
    const self: Party = supports === undefined ? party : { ...party, supports };
    this.#options = options;
    this.#self = self;
    this.#versions = versions;
    this.#book = new AddressBook(formation, { id: nodeId, incarnation });
    const book = this.#book;
    const onNews = () => this.#follow();
    const seeker = { member, versions };
    this.#exchange = new RosterExchange({ self: seeker, book, peers, dial, log, onNews });
    const connectedStart = (peer: NodeId) => this.#inbound.connectedStart(peer);
    const onOutdated = () => this.#exchange.outdated();
    const { starts } = options;
    const keeping = { self, versions, book, log, connectedStart, onOutdated };
    const doorkeeper = new Doorkeeper(starts === undefined ? keeping : { ...keeping, starts });
    const onArrival = (peer: NodeId) => this.#nudge(peer);
    this.#inbound = new Inbound({ self, versions, doorkeeper, listener, log, onArrival });
    this.#served = new SnapshotServer({ self, doorkeeper, listener, log, idleMs });
    this.#fetched = new SnapshotFetches({ self, versions, dial, idleMs });
    this.#follow();
    server.answerGreetings(this.#exchange.greeter);
    server.acceptStreams({ stream: this.#inbound.accept, snapshot: this.#served.accept });
  }

  send(envelope: Envelope): void {
    const { to, type } = envelope.message;
    const { incarnation } = envelope;
    // The address book may have learned of another node of this name before consensus has.
    if (incarnation !== undefined && this.#peers.get(to)?.member.incarnation !== incarnation)
      return;
    this.#send(to, streamOf(type), (version) => {
      return isKnownTo(version, type) ? encodeEnvelope(envelope, version) : undefined;
    });
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

  fetchSnapshot(from: NodeId, request: Uint8Array): AsyncIterable<Uint8Array> {
    const source = () => {
      const peer = this.#peers.get(from);
      if (peer === undefined) return undefined;
      return { member: peer.member, address: peer.bulk.address, hello: this.#helloTo(from) };
    };
    return this.#fetched.open(from, request, source);
  }

  setRoster(roster: Roster): void {
    if (this.#book.set(roster)) this.#follow();
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
    this.#closed = true;
    this.#exchange.close();
    for (const peer of this.#peers.values()) closePeer(peer);
    this.#peers.clear();
    this.#fetched.close();
    this.#served.close();
    this.#inbound.close();
  }

  /** The book may have changed: whom to reach, and whom to let in. */
  #follow(): void {
    if (this.#closed) return;
    const { others } = this.#book;
    this.#inbound.keepOnly(others);
    this.#served.keepOnly(others);
    this.#fetched.keepOnly(others);
    for (const [id, peer] of this.#peers) {
      const now = others.find((member) => member.id === id);
      if (now?.incarnation === peer.member.incarnation && now.bus === peer.member.bus) continue;
      this.#peers.delete(id);
      closePeer(peer);
    }
    for (const member of others) {
      if (!this.#peers.has(member.id)) this.#peers.set(member.id, this.#reach(member));
    }
  }

  #helloTo(to: NodeId): Hello {
    const { min: versionMin, max: versionMax } = this.#versions;
    const { identity, program = "" } = this.#options;
    const { starts = [] } = identity;
    const { revision } = this.#book.roster;
    return { ...this.#self, versionMin, versionMax, to, revision, starts, program };
  }

  #send(to: NodeId, kind: StreamKind, encode: Encode): void {
    const peer = this.#peers.get(to);
    const link = kind === "control" ? peer?.control : peer?.bulk;
    // Nothing is encoded for a peer that is away.
    if (peer === undefined || link === undefined || !link.up) return;
    const message = encode(link.version);
    if (message === undefined) return;
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

  #reach(member: Member): Peer {
    const { dial = {}, random = Math.random, peers } = this.#options;
    const addresses = dialAddresses(member, this.#book.roster.members, peers);
    const report = this.#report(member);
    const hello = () => this.#helloTo(member.id);
    const versions = this.#versions;
    const common = { self: this.#self, hello, versions, member, addresses, dial, random };
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
        if (refused) this.#exchange.refusedAt(address);
        if (refused && saysRolledBack(reason)) this.#options.onRolledBack?.(reason);
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
