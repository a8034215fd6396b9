/**
 * What the caller of `Raft` owes it after each turn.
 *
 * The caller's duties, in this order:
 * 1. send `messages` at once; nothing in them depends on this turn's writes;
 * 2. start writing `persist`: first `hardState`, then what `restore` asks for, then the truncation
 *    and the entries, in the order of `seq`. Several batches may share one sync. When a batch is on
 *    disk: call `raft.persisted(seq, true)`, then send its `messages` (votes, and all else that
 *    speaks for the new term), then take the next Ready: acknowledgements of the entries are in
 *    there. A caller that syncs later may call `persisted(seq, false)` as soon as the entries are
 *    handed to the disk; a hard state must be fsynced before either call;
 * 3. apply `committed` in order;
 * 4. answer `reads` once the applied index has reached `index`;
 * 5. fetch each of `logReads` from disk and hand it to `raft.provideLog`;
 * 6. fetch the snapshot that `snapshotFetch` asks for, unless one is being fetched already, and
 *    when all of it is on disk, beside the live state, hand it to `raft.restore`.
 */
import type { Message } from "./message.ts";
import type { Entry, EntryId, HardState, LogIndex, NodeId, Role, Term } from "./types.ts";

export interface PersistBatch {
  /** Grows by one with each batch; `persisted(seq)` vouches for this batch and all before it. */
  readonly seq: number;
  /** Present when term or vote changed. */
  readonly hardState: HardState | undefined;
  /** Present when entries from this index on conflict and are replaced; same atomic write. */
  readonly truncateFrom: LogIndex | undefined;
  readonly entries: readonly Entry[];
  /**
   * Present when a snapshot replaces the log: with the hard state on disk, and before the entries,
   * make its state the live one, then drop all entries and let the log go on behind this one.
   */
  readonly restore: EntryId | undefined;
  /** To be sent when, and only when, this batch is on disk. Empty without a `hardState`. */
  readonly messages: readonly Message[];
}

/**
 * A follower needs entries that are no longer in memory. Answered with none, and any `prev` from
 * the one before `from` on, when they are no longer on disk either: it will get a snapshot.
 */
export interface LogRead {
  readonly to: NodeId;
  /** First index wanted. */
  readonly from: LogIndex;
  readonly maxBytes: number;
}

/**
 * `id` is what `requestRead` returned; `index` undefined = no leader would confirm it, ask again.
 */
export interface ReadState {
  readonly id: number;
  readonly index: LogIndex | undefined;
}

/** The leader wants this node to fetch a snapshot and to hand it to `raft.restore`. */
export interface SnapshotFetch {
  /** Of this index or a later one. */
  readonly index: LogIndex;
  readonly sources: readonly NodeId[];
}

export interface Leadership {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
}

export interface Ready {
  readonly messages: readonly Message[];
  readonly persist: PersistBatch | undefined;
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadState[];
  readonly logReads: readonly LogRead[];
  /** Repeated as long as the leader sees no progress; one fetch at a time is enough. */
  readonly snapshotFetch: SnapshotFetch | undefined;
  /**
   * Present: the disk has lost entries up to here that this node has vouched for, and maybe more.
   * It must not take part any more as who it is, and do nothing else of what stands here.
   */
  readonly lost: LogIndex | undefined;
  /** Present when role, term or known leader changed since the last Ready. */
  readonly leadership: Leadership | undefined;
}
