/**
 * The wires between the nodes. Each direction between two nodes has four streams (control, append,
 * forward, snapshot); each keeps its order unless told otherwise, and any packet may be lost, come
 * twice, late or, when its edge is blocked, not at all. Nodes learn of closed and opened streams
 * with delay. Like the real bus it lets only those talk who have each other in their books, under
 * the incarnation that is there: see `books.ts`.
 */
import type { NodeId } from "task-queue-raft";
import type { Envelope, VersionRange } from "../../packages/broker/src/replica/index.ts";
import { isOutdatedStart, isWelcome, meet, noteStart, type Reader } from "./books.ts";
import type { NetworkOptions } from "./options.ts";
import { type Packet, type Stream, streamOf, weightOf } from "./packet.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What the network needs of a node. */
export interface Station extends Reader {
  readonly alive: boolean;
  /** Counts starts. */
  readonly life: number;
  readonly runs: VersionRange;
  /** The others have seen a later start of this node: its disk is an old one. */
  foundOutdated(): void;
  receive(from: NodeId, packet: Packet): void;
  peer(peer: NodeId, connected: boolean): void;
}

/** One direction between two nodes. */
interface Edge {
  readonly from: Station;
  readonly to: Station;
  blocked: boolean;
  /** Added to each delay until then. */
  cloggedUntil: number;
  /** Packets of an earlier generation were on streams that are gone. */
  generation: number;
  /** Whether `to` believes that the stream from `from` is open. */
  open: boolean;
  /** The life of `from` that opened it. */
  openedBy: number;
  /** The life of `from` whose start `to` has noted. */
  greetedLife: number;
  /** Both have each other in their books. */
  welcome: boolean;
  readonly lastArrival: Record<Stream, number>;
}

export class Network {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #options: NetworkOptions;
  readonly #situations: Situations;
  readonly #stations: ReadonlyMap<NodeId, Station>;
  readonly #edges = new Map<NodeId, Map<NodeId, Edge>>();
  #faulty = true;
  /** Changes packets on their way; for tests that plant a fault. */
  tamper: ((from: NodeId, to: NodeId, packet: Packet) => Packet) | undefined;

  constructor(
    time: VirtualTime,
    random: Random,
    options: NetworkOptions,
    situations: Situations,
    stations: readonly Station[],
  ) {
    this.#time = time;
    this.#random = random;
    this.#options = options;
    this.#situations = situations;
    this.#stations = new Map(stations.map((station) => [station.id, station]));
    for (const from of stations) {
      const others = stations.filter((to) => to !== from);
      this.#edges.set(from.id, new Map(others.map((to) => [to.id, newEdge(from, to)])));
    }
  }

  send(from: NodeId, to: NodeId, packet: Packet): void {
    const edge = this.#edge(from, to);
    if (edge === undefined || !edge.welcome) {
      this.#situations.hit("packet to a stranger refused");
      return;
    }
    if (packet.kind === "envelope" && !isMeantFor(packet.envelope, edge.to)) {
      this.#situations.hit("request meant for another incarnation held back");
      return;
    }
    const { lossRate, duplicateRate } = this.#options;
    if (edge.blocked || (this.#faulty && this.#random.chance(lossRate))) {
      this.#situations.hit(`${streamOf(packet)} packet lost`);
      return;
    }
    const sent = this.tamper === undefined ? packet : this.tamper(from, to, packet);
    this.#deliver(edge, sent);
    if (this.#faulty && this.#random.chance(duplicateRate)) {
      this.#situations.hit(`${streamOf(packet)} packet doubled`);
      this.#deliver(edge, sent);
    }
  }

  /** Cuts or mends one direction. */
  block(from: NodeId, to: NodeId, blocked: boolean): void {
    const edge = this.#edge(from, to)!;
    if (edge.blocked === blocked) return;
    edge.blocked = blocked;
    this.#noticeSoon(edge);
    this.#noticeSoon(this.#edge(to, from)!);
  }

  /** Packets in this direction take this much longer for a while. */
  clog(from: NodeId, to: NodeId, ms: number): void {
    this.#edge(from, to)!.cloggedUntil = this.#time.now + ms;
  }

  /** The connection breaks, what is on its way is lost, and it is set up again. */
  reset(from: NodeId, to: NodeId): void {
    const edge = this.#edge(from, to)!;
    edge.generation++;
    if (!edge.open) return;
    edge.open = false;
    edge.to.peer(from, false);
    this.#noticeSoon(edge);
  }

  /** A node started or died, or has another book: everybody notices in time. */
  nodeChanged(id: NodeId): void {
    for (const edge of this.#all()) {
      if (edge.from.id !== id && edge.to.id !== id) continue;
      if (edge.to.id === id && !edge.to.alive) edge.open = false;
      edge.welcome = isWelcome(edge.from, edge.to, this.#options.lenient);
      this.#noticeSoon(edge);
    }
  }

  /** No loss, no blocked edge, no clog between any of these; the others stay as they are. */
  heal(nodes: ReadonlySet<NodeId>): void {
    this.#faulty = false;
    for (const edge of this.#all()) {
      if (!nodes.has(edge.from.id) || !nodes.has(edge.to.id)) continue;
      edge.cloggedUntil = 0;
      this.block(edge.from.id, edge.to.id, false);
    }
  }

  /** What the binary says of itself that runs there. */
  versionsOf(id: NodeId): VersionRange {
    return this.#stations.get(id)!.runs;
  }

  /** Whether `to` believes that the stream from `from` is open. */
  isOpen(from: NodeId, to: NodeId): boolean {
    return this.#edge(from, to)?.open ?? false;
  }

  isBlocked(from: NodeId, to: NodeId): boolean {
    return this.#edge(from, to)?.blocked ?? true;
  }

  #edge(from: NodeId, to: NodeId): Edge | undefined {
    return this.#edges.get(from)?.get(to);
  }

  *#all(): Generator<Edge> {
    for (const edges of this.#edges.values()) yield* edges.values();
  }

  #deliver(edge: Edge, packet: Packet): void {
    const stream = streamOf(packet);
    const arrival = this.#arrival(edge, stream, weightOf(packet));
    const { generation, to, from } = edge;
    const { life, incarnation } = to;
    const sender = from.incarnation;
    this.#time.after(arrival - this.#time.now, () => {
      const late = life !== to.life;
      if (!to.alive || generation !== edge.generation || edge.blocked) return;
      if (late && !this.#options.stragglers) return;
      if (incarnation !== to.incarnation || sender !== from.incarnation) {
        this.#situations.hit("packet of another incarnation refused");
        return;
      }
      if (!edge.welcome) return;
      if (late) this.#situations.hit("packet reaches the next life of a node");
      if (edge.greetedLife !== from.life) {
        edge.greetedLife = from.life;
        noteStart(from, to);
      }
      to.receive(from.id, packet);
    });
  }

  #arrival(edge: Edge, stream: Stream, bytes: number): number {
    const { delayMs, reorderRate, reorderMs, snapshotBytesPerMs } = this.#options;
    const { now } = this.#time;
    const clog = Math.max(0, edge.cloggedUntil - now);
    const carry = bytes / snapshotBytesPerMs;
    const due = now + this.#random.between(delayMs.min, delayMs.max) + clog + carry;
    if (this.#faulty && this.#random.chance(reorderRate)) {
      this.#situations.hit(`${stream} packet overtaken`);
      return due + this.#random.between(0, reorderMs);
    }
    const arrival = Math.max(due, edge.lastArrival[stream]);
    edge.lastArrival[stream] = arrival;
    return arrival;
  }

  /** What `edge.to` believes of the stream catches up with the truth after a while. */
  #noticeSoon(edge: Edge): void {
    const { min, max } = this.#options.noticeMs;
    this.#time.after(this.#random.between(min, max), () => this.#notice(edge));
  }

  #notice(edge: Edge): void {
    const { from, to } = edge;
    const back = this.#edge(to.id, from.id)!;
    const reachable = from.alive && to.alive && !edge.blocked && !back.blocked;
    if (reachable && isOutdatedStart(from, to)) {
      from.foundOutdated();
      return;
    }
    if (reachable && !edge.welcome) this.#greet(from, to);
    const open = reachable && edge.welcome;
    const restarted = edge.open && edge.openedBy !== from.life;
    if (!to.alive || (edge.open === open && !restarted)) return;
    edge.open = open && !restarted;
    edge.openedBy = from.life;
    if (edge.open) noteStart(from, to);
    to.peer(from.id, edge.open);
    // A stream of an earlier life is closed before the new one opens.
    if (restarted) this.#noticeSoon(edge);
  }

  /** One of them may have an outdated book. */
  #greet(from: Station, to: Station): void {
    const learner = meet(from, to);
    if (learner === undefined) return;
    this.#situations.hit("newer roster learnt from another node");
    this.nodeChanged(learner.id);
  }
}

/** A request goes to the very node that the sender's log speaks of, an answer to whoever asked. */
function isMeantFor({ incarnation }: Envelope, to: Station): boolean {
  return incarnation === undefined || incarnation === to.incarnation;
}

function newEdge(from: Station, to: Station): Edge {
  const lastArrival = { control: 0, append: 0, forward: 0, snapshot: 0 };
  const state = {
    blocked: false,
    cloggedUntil: 0,
    generation: 0,
    open: false,
    openedBy: 0,
    greetedLife: 0,
  };
  return { from, to, ...state, welcome: false, lastArrival };
}
