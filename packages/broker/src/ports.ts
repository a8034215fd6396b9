/**
 * What the runtime needs of the world, as small ports. Each has a real implementation at an edge
 * and an in-memory twin beside it, and one conformance suite that both pass.
 */
import type { Entry, EntryId, HardState, LogIndex, NodeId } from "task-queue-raft";
import type { Flush, RecordReader } from "./queue/index.ts";
import type {
  Envelope,
  FlushMark,
  Forward,
  ForwardReply,
  Roster,
  VersionRange,
} from "./replica/index.ts";

export type {
  Beacon,
  ClusterMember,
  Envelope,
  FlushMark,
  Forward,
  ForwardReply,
  Member,
  Roster,
  VersionRange,
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

/** Where a log begins: the entry before its first one, and the hash that this one continues. */
export interface LogBase extends EntryId {
  /** Hash over this entry and all before it, in hex; equal on all members. */
  readonly chain: string;
}

/** The replicated log on this node's disk. Any rejection is final: the process must stop. */
export interface LogStore {
  /** The newest entry that is gone, compacted or replaced by a snapshot; all zeros at first. */
  readonly base: EntryId;
  /** The last entry on disk; `base` when there is none. */
  readonly last: EntryId;
  /** Bytes of data of all entries on disk, roughly. */
  readonly bytes: number;
  /** Resolves when the batch is written and, if `sync`, fsynced together with all before it. */
  append(batch: LogBatch, sync: boolean): Promise<void>;
  /** Fsyncs everything appended so far. */
  sync(): Promise<void>;
  /**
   * Entries from `from` on, at most `maxBytes` of data but at least one if there is one. None, with
   * `prev` = `base`, when `from` has been compacted away.
   */
  read(from: LogIndex, maxBytes: number): Promise<LogSlice>;
  /** The hash over the entry at `index` and all before it; `index` from `base` to `last`. */
  chainAt(index: LogIndex): Promise<string>;
  /**
   * Drops the entries up to `upTo`, which becomes `base`, in small steps between appends. Resolves
   * at once for what is gone already. `upTo` must be covered by a completed flush of the state.
   */
  compact(upTo: LogIndex): Promise<void>;
  /** Drops all entries, whatever they are; the next one follows `base`. Synced. */
  reset(base: LogBase): Promise<void>;
  close(): Promise<void>;
}

/**
 * A store, or a view of it, that does not serve this caller now: it is closed, or has no more views
 * to give. That is the caller's timing, no fault of the disk: the one rejection that is not final.
 */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
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
  /** The records as they are after one completed flush, the newest; later ones do not show. */
  view(): Promise<StateView>;
  /** What the store says of itself, for people. */
  stats(): Promise<Readonly<Record<string, number>>>;
  /** Gives back what removed records still take on disk; the sizes before and after, about. */
  compact(): Promise<{ readonly beforeBytes: number; readonly afterBytes: number }>;
  /** Waits for reads under way; later ones reject. */
  close(): Promise<void>;
}

/** A consistent view of the state, to be closed when it is no longer needed. */
export interface StateView {
  readonly mark: FlushMark;
  /** As `StateStore.scan`. */
  scan(range: KeyRange, limit: number): Promise<readonly StateRow[]>;
  close(): Promise<void>;
}

export type StateRow = readonly [key: Uint8Array, value: Uint8Array];

/** All states on a node's disk: the live one, and at most one that is being received beside it. */
export interface StateDirectory {
  /** Another store after each `install`. */
  readonly live: StateStore;
  /** Begins an empty state; one that was begun earlier and never installed is dropped. */
  stage(): Promise<StagedState>;
  /**
   * Makes a finished state the live one, durably: whatever happens from now on, the next start
   * finds it, and the log that follows `base`. The former one is closed, once reads under way are
   * done, and deleted. To be followed by `LogStore.reset(base)`.
   */
  install(staged: StagedState, base: LogBase): Promise<void>;
}

/** A state that is being received: nothing of it is seen before it is installed. */
export interface StagedState {
  /** Durable when it resolves. */
  write(rows: readonly StateRow[]): Promise<void>;
  /** All rows are there: the state is that of `mark`. The store may be read and flushed to. */
  finish(mark: FlushMark): Promise<StateStore>;
  /** Deletes it. */
  discard(): Promise<void>;
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
  /**
   * A random name of each of the last `STARTS_KEPT` starts, the newest last; absent in a directory
   * from before starts had names. Two directories with the same number of starts and other names
   * have parted: one of them was rolled back or copied.
   */
  readonly starts?: readonly string[];
  readonly hardState: HardState;
}

/**
 * Which cluster a node belongs to, and its members when it became one: the same document on every
 * founding member; one that joins later gets the members of that time, itself as a learner.
 */
export interface Formation extends Roster {
  readonly clusterId: string;
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
  /**
   * Streams a snapshot from another member, as fast as the caller takes the chunks. Ends the
   * iteration with an error when the stream breaks, or with the other's reason when it refuses.
   * Has a connection of its own, so that heartbeats and entries never wait behind it.
   */
  fetchSnapshot(from: NodeId, request: Uint8Array): AsyncIterable<Uint8Array>;
  /** Whom to reach and to let in from now on; an older roster than the last one changes nothing. */
  setRoster(roster: Roster): void;
  close(): Promise<void>;
}

/** What a broker knows of scheduled backups, and can do about them. */
export interface BackupReport {
  /** `cannot`: it has no directory, is not up to date, or has failed a moment ago. */
  readonly state: "cannot" | "can" | "makes";
  /** How old the newest one is that it sees in its directory, ms; undefined: it sees none. */
  readonly ageMs: number | undefined;
}

/** What the bus reports; every call is one input of the replica. */
export interface BusListener {
  onEnvelope(from: NodeId, envelope: Envelope): void;
  onForwards(from: NodeId, forwards: readonly Forward[]): void;
  onForwardReplies(from: NodeId, replies: readonly ForwardReply[]): void;
  /**
   * The peer's control stream to us opened or closed. `versions`: what its binary can work with, as
   * it said when it opened; absent: it is older than that. `program`: the version of that binary;
   * empty: it did not say.
   */
  onPeer(peer: NodeId, connected: boolean, versions?: VersionRange, program?: string): void;
  /**
   * A member asks for a snapshot. Chunks are taken as fast as it reads them; `signal` says that it
   * has gone. What is thrown ends its stream with that message.
   */
  onSnapshotRequest(
    from: NodeId,
    request: Uint8Array,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
}
