/**
 * The wires between the nodes. Each direction between two nodes has three streams (control,
 * append, forward); each keeps its order unless told otherwise, and any packet may be lost, come
 * twice, late or, when its edge is blocked, not at all. Nodes learn of closed and opened streams
 * with delay.
 */
import type { NodeId } from "task-queue-raft";
import type { Envelope, Forward, ForwardReply } from "../../packages/broker/src/replica/index.ts";
import type { NetworkOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type Packet =
  | { readonly kind: "envelope"; readonly envelope: Envelope }
  | { readonly kind: "forwards"; readonly forwards: readonly Forward[] }
  | { readonly kind: "forwardReplies"; readonly replies: readonly ForwardReply[] };

type Stream = "control" | "append" | "forward";

/** What the network needs of a node. */
export interface Station {
  readonly id: NodeId;
  readonly alive: boolean;
  /** Counts starts. */
  readonly life: number;
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
  readonly lastArrival: Record<Stream, number>;
}

export class Network {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #options: NetworkOptions;
  readonly #situations: Situations;
  readonly #edges = new Map<string, Edge>();
  readonly #stations: readonly Station[];
  #faulty = true;

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
    this.#stations = stations;
    for (const from of stations) {
      for (const to of stations) {
        if (from !== to) this.#edges.set(`${from.id}>${to.id}`, newEdge(from, to));
      }
    }
  }

  send(from: NodeId, to: NodeId, packet: Packet): void {
    const edge = this.#edge(from, to);
    const { lossRate, duplicateRate } = this.#options;
    if (edge.blocked || (this.#faulty && this.#random.chance(lossRate))) {
      this.#situations.hit(`${streamOf(packet)} packet lost`);
      return;
    }
    this.#deliver(edge, packet);
    if (this.#faulty && this.#random.chance(duplicateRate)) {
      this.#situations.hit(`${streamOf(packet)} packet doubled`);
      this.#deliver(edge, packet);
    }
  }

  /** Cuts or mends one direction. */
  block(from: NodeId, to: NodeId, blocked: boolean): void {
    const edge = this.#edge(from, to);
    if (edge.blocked === blocked) return;
    edge.blocked = blocked;
    this.#noticeSoon(edge);
    this.#noticeSoon(this.#edge(to, from));
  }

  /** Packets in this direction take this much longer for a while. */
  clog(from: NodeId, to: NodeId, ms: number): void {
    this.#edge(from, to).cloggedUntil = this.#time.now + ms;
  }

  /** The connection breaks, what is on its way is lost, and it is set up again. */
  reset(from: NodeId, to: NodeId): void {
    const edge = this.#edge(from, to);
    edge.generation++;
    if (!edge.open) return;
    edge.open = false;
    edge.to.peer(from, false);
    this.#noticeSoon(edge);
  }

  /** A node started or died: everybody notices in time. */
  nodeChanged(id: NodeId): void {
    for (const edge of this.#edges.values()) {
      if (edge.to.id === id && !edge.to.alive) edge.open = false;
      if (edge.from.id === id || edge.to.id === id) this.#noticeSoon(edge);
    }
  }

  /** No loss, no blocked edge, no clog between any of these; the others stay as they are. */
  heal(nodes: ReadonlySet<NodeId>): void {
    this.#faulty = false;
    for (const edge of this.#edges.values()) {
      if (!nodes.has(edge.from.id) || !nodes.has(edge.to.id)) continue;
      edge.cloggedUntil = 0;
      this.block(edge.from.id, edge.to.id, false);
    }
  }

  isBlocked(from: NodeId, to: NodeId): boolean {
    return this.#edge(from, to).blocked;
  }

  get stations(): readonly Station[] {
    return this.#stations;
  }

  #edge(from: NodeId, to: NodeId): Edge {
    return this.#edges.get(`${from}>${to}`)!;
  }

  #deliver(edge: Edge, packet: Packet): void {
    const stream = streamOf(packet);
    const arrival = this.#arrival(edge, stream);
    const { generation, to } = edge;
    const { life } = to;
    this.#time.after(arrival - this.#time.now, () => {
      const late = life !== to.life;
      if (!to.alive || generation !== edge.generation || edge.blocked) return;
      if (late && !this.#options.stragglers) return;
      if (late) this.#situations.hit("packet reaches the next life of a node");
      to.receive(edge.from.id, packet);
    });
  }

  #arrival(edge: Edge, stream: Stream): number {
    const { delayMs, reorderRate, reorderMs } = this.#options;
    const { now } = this.#time;
    const clog = Math.max(0, edge.cloggedUntil - now);
    const due = now + this.#random.between(delayMs.min, delayMs.max) + clog;
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
    this.#time.after(this.#random.between(min, max), () => {
      const back = this.#edge(edge.to.id, edge.from.id);
      const open = edge.from.alive && edge.to.alive && !edge.blocked && !back.blocked;
      const restarted = edge.open && edge.openedBy !== edge.from.life;
      if (!edge.to.alive || (edge.open === open && !restarted)) return;
      edge.open = open && !restarted;
      edge.openedBy = edge.from.life;
      edge.to.peer(edge.from.id, edge.open);
      // A stream of an earlier life is closed before the new one opens.
      if (restarted) this.#noticeSoon(edge);
    });
  }
}

function newEdge(from: Station, to: Station): Edge {
  const lastArrival = { control: 0, append: 0, forward: 0 };
  const state = { blocked: false, cloggedUntil: 0, generation: 0, open: false, openedBy: 0 };
  return { from, to, ...state, lastArrival };
}

function streamOf(packet: Packet): Stream {
  if (packet.kind !== "envelope") return "forward";
  const { type } = packet.envelope.message;
  return type === "append" || type === "appendReply" ? "append" : "control";
}
