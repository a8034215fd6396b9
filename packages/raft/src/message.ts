/**
 * What members say to each other. Only wire messages: local happenings (a tick, a finished write)
 * are method calls on `Raft`. `term` is always the sender's term, except in `preVote`, where it is
 * the term the sender would campaign in (§9.6).
 */
import type { Entry, EntryId, LogIndex, NodeId, Term } from "./types.ts";

interface Addressed {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

/** Would you vote for me? Changes no state at the receiver. */
export interface PreVote extends Addressed {
  readonly type: "preVote";
  readonly last: EntryId;
}

export interface PreVoteReply extends Addressed {
  readonly type: "preVoteReply";
  readonly granted: boolean;
}

export interface Vote extends Addressed {
  readonly type: "vote";
  readonly last: EntryId;
  /** The leader itself asked for this campaign: nobody has to be protected from it (§3.10). */
  readonly transfer: boolean;
}

export interface VoteReply extends Addressed {
  readonly type: "voteReply";
  readonly granted: boolean;
}

export interface Append extends Addressed {
  readonly type: "append";
  /** The entry right before `entries`; the receiver must hold it. */
  readonly prev: EntryId;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

export interface AppendReply extends Addressed {
  readonly type: "appendReply";
  /** The receiver's log equals the sender's up to here, and is handed to the disk. */
  readonly match: LogIndex;
  /** The same, and fsynced: at most `match`. */
  readonly durable: LogIndex;
  /** Set when `prev` was not there: what was refused, and where to try next. */
  readonly rejected?: { readonly prev: LogIndex; readonly hint: EntryId };
}

export interface Heartbeat extends Addressed {
  readonly type: "heartbeat";
  /** Bounded by the sender to what it knows the receiver holds. */
  readonly commit: LogIndex;
  /** Each round of heartbeats has a number of its own, so that reads match their round exactly. */
  readonly round: number;
}

export interface HeartbeatReply extends Addressed {
  readonly type: "heartbeatReply";
  readonly round: number;
}

/**
 * A follower asks the leader for a read index (§6.4). `id` is chosen by the asker, never reused.
 */
export interface ReadIndex extends Addressed {
  readonly type: "readIndex";
  readonly id: number;
}

export interface ReadIndexReply extends Addressed {
  readonly type: "readIndexReply";
  readonly id: number;
  readonly index: LogIndex;
}

/**
 * The sender's log no longer reaches back to what the receiver holds: it should fetch a snapshot
 * (§5), which travels on a stream of its own. Repeated with each heartbeat until it is answered by
 * an `appendReply` that reaches `index`.
 */
export interface InstallSnapshot extends Addressed {
  readonly type: "installSnapshot";
  /** A snapshot of this index or a later one; the sender keeps its log from here on. */
  readonly index: LogIndex;
  /** Members that may have one, the best source first. Not empty, without the receiver. */
  readonly sources: readonly NodeId[];
}

/** Campaign at once: the sender hands over its office (§3.10). */
export interface TimeoutNow extends Addressed {
  readonly type: "timeoutNow";
}

/**
 * The receiver lacks an entry that its disk had, as it told the sender in this term: it may have
 * forgotten more, and must take part no more as who it is ("protocol-aware recovery", FAST 2018).
 */
export interface LostEntries extends Addressed {
  readonly type: "lostEntries";
  /** It vouched for everything up to here. */
  readonly index: LogIndex;
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndex
  | ReadIndexReply
  | InstallSnapshot
  | TimeoutNow
  | LostEntries;

export type MessageType = Message["type"];
