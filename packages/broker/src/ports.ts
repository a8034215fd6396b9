/**
 * What the runtime needs of the world, as small ports. Each has a real implementation at an edge
 * and an in-memory twin beside it, and one conformance suite that both pass.
 */
import type { Entry, EntryId, HardState, LogIndex, NodeId } from "task-queue-raft";
import type { Flush, RecordReader } from "./queue/index.ts";
import type { Envelope, FlushMark, Forward, ForwardReply, Member } from "./replica/index.ts";

export type {
  Beacon,
  Envelope,
  FlushMark,
  Forward,
  ForwardReply,
  Member,
} from "./replica/index.ts";

/** The bus between brokers is this far above the worker port unless `raft.port` says otherwise. */
export const BUS_PORT_OFFSET = 10_000;

/** One atomic change of the log: cut, then append. */
export interface LogBatch {
  /** Drop every entry from this index on, in the same atomic write. */
  readonly truncateFrom: LogIndex | undefined;
  readonly entries: readonly Entry[];
}

export interface LogSlice {
  /** The entry right before `entries[0]`. */
  readonly prev: EntryId;
  readonly entries: readonly Entry[];
}

/** The replicated log on this node's disk. Any rejection is final: the process must stop. */
export interface LogStore {
  /** The last entry on disk; `{term: 0, index: 0}` for an empty log. */
  readonly last: EntryId;
  /** Resolves when the batch is written and, if `sync`, fsynced together with all before it. */
  append(batch: LogBatch, sync: boolean): Promise<void>;
  /** Fsyncs everything appended so far. */
  sync(): Promise<void>;
  /** Entries from `from` on, at most `maxBytes` of data but at least one if there is one. */
  read(from: LogIndex, maxBytes: number): Promise<LogSlice>;
  close(): Promise<void>;
}

/** The queue machine's records on this node's disk. Any rejection or throw is final. */
export interface StateStore extends RecordReader {
  /** What the newest completed flush vouches for. */
  readonly mark: FlushMark;
  /** One atomic, synced batch: the writes and the mark. One at a time. */
  flush(flush: Flush, mark: FlushMark): Promise<void>;
  /** The same as `get`, without holding up the event loop. */
  load(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** Records in key order, `gte <= key < lt`, at most `limit`, from a consistent view. */
  scan(range: KeyRange, limit: number): Promise<readonly (readonly [Uint8Array, Uint8Array])[]>;
  /** What the store says of itself, for people. */
  stats(): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

export interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  /** true = from the end backwards. */
  readonly reverse?: boolean;
}

/** Who this node is, for ever: kept in a small checksummed file of its own, fsynced. */
export interface Identity {
  readonly nodeId: NodeId;
  /** 16 random bytes in hex, drawn before the node first speaks to anybody. */
  readonly incarnation: string;
  /** Present once the node belongs to a cluster. */
  readonly formation: Formation | undefined;
  /** True once both stores exist; from then on a missing store is an error, not a fresh start. */
  readonly founded: boolean;
  /** Number of starts so far. */
  readonly boots: number;
  readonly hardState: HardState;
}

/** The founding document of a cluster, the same on every initial member. */
export interface Formation {
  readonly clusterId: string;
  readonly members: readonly Member[];
}

export interface IdentityStore {
  readonly identity: Identity;
  /** Resolves when the change is fsynced. One at a time, in the order of the calls. */
  save(change: Partial<Identity>): Promise<void>;
  close(): Promise<void>;
}

/**
 * Streams to the other brokers. Sending never blocks and never fails: what cannot go is dropped.
 */
export interface Bus {
  send(envelope: Envelope): void;
  forward(to: NodeId, forwards: readonly Forward[]): void;
  forwardReply(to: NodeId, replies: readonly ForwardReply[]): void;
  close(): Promise<void>;
}

/** What the bus reports; every call is one input of the replica. */
export interface BusListener {
  onEnvelope(from: NodeId, envelope: Envelope): void;
  onForwards(from: NodeId, forwards: readonly Forward[]): void;
  onForwardReplies(from: NodeId, replies: readonly ForwardReply[]): void;
  /** The peer's control stream to us opened or closed. */
  onPeer(peer: NodeId, connected: boolean): void;
}
