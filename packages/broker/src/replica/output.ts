/**
 * What a replica asks for at the end of a turn. The runtime performs it, in the order the fields
 * stand here, and reports every result back as an input. Nothing in it may be skipped, except that
 * messages and forwards may get lost on the way.
 */

import type {
  EntryId,
  Leadership,
  LogIndex,
  LogRead,
  Message,
  NodeId,
  PersistBatch,
  SnapshotFetch,
} from "task-queue-raft";
import type { Delivery, Flush, LeaseLostEvent, Reply, TaskId } from "../queue/index.ts";
import { unreachable } from "../queue/index.ts";
import type { Member, Roster } from "./members.ts";

/** How a write ended. */
export type Outcome =
  /**
   * Committed and applied; `reply` may still be a refusal. `index`: read at or above it to see it.
   * `resent`: it was sent more than once, and the reply may be that to a later copy.
   */
  | {
      readonly kind: "applied";
      readonly reply: Reply;
      readonly index: LogIndex;
      readonly resent?: true;
    }
  /** Certainly not done. */
  | {
      readonly kind: "refused";
      readonly code: "no_leader" | "overloaded" | "disk_full";
      readonly message: string;
    }
  /** Sent, and the answer never came: the same command may be sent again. */
  | { readonly kind: "unknown"; readonly message: string };

/** What rides on heartbeats and their replies besides Raft's own words. */
export interface Beacon {
  /** Sender's wall clock, ms since 1970. */
  readonly wallMs: number;
  readonly applied: LogIndex;
  /** The queue's effect hash at `applied`. */
  readonly effectHash: string;
  /**
   * How much the sender wants to lead: 0 = not at all, for it stops or its disk does not answer;
   * else `raft.priority` + 1.
   */
  readonly priority: number;
  /** The sender's disk has less room left than its floor. */
  readonly diskLow: boolean;
  /** The sender leads and takes no new tasks, because too many disks are nearly full. */
  readonly intakeClosed: boolean;
}

/** What an operator may change about who belongs to the cluster, one member at a time. */
export type MemberChange =
  /** As a learner, which gets the log and does not vote. */
  | { readonly kind: "add"; readonly member: Member }
  /** `force`: even if it has not caught up. */
  | { readonly kind: "promote"; readonly id: NodeId; readonly force: boolean }
  /** `force`: even if those who stay could then not reach a quorum. */
  | { readonly kind: "remove"; readonly id: NodeId; readonly force: boolean }
  /** From now on the cluster works with this version. There is no way back. */
  | { readonly kind: "raise"; readonly to: number };

/** How a change of members or of the leader ended. */
export type ChangeOutcome =
  /** Applied here, by entry `index`; of a transfer: another one leads. */
  | { readonly kind: "done"; readonly index: LogIndex }
  /** Certainly not done. */
  | {
      readonly kind: "refused";
      readonly code: "no_leader" | "not_found" | "state_conflict" | "overloaded";
      readonly message: string;
    }
  /** This node lost its office, or time ran out: it may still come to pass. */
  | { readonly kind: "unknown"; readonly message: string };

/**
 * After the same entry this node's state is not that of the others: it must not go on. A follower
 * stops by its leader's word, a leader by that of a quorum; see `Agreement`.
 */
export interface Divergence {
  readonly index: LogIndex;
  readonly own: string;
  /** The leader's effect hash; when this node leads: that of those who have outvoted it. */
  readonly leaders: string;
}

export interface Envelope {
  readonly message: Message;
  readonly beacon: Beacon | undefined;
  /**
   * Of the receiver, as this node's own log knows it: the bus gives the message to nobody else. A
   * node of the same name whose disk was lost has forgotten its votes and its log, so it must not
   * be asked in place of the old one. Not set for answers, which go to whoever has asked, and on
   * arrival. Does not travel: the bus knows who is at the other end.
   */
  readonly incarnation?: string;
}

/** A write on its way from the node that took it to the leader. */
export interface Forward {
  /** Chosen by the sender, never used twice in its life. */
  readonly requestId: number;
  /** One encoded command. */
  readonly command: Uint8Array;
}

export interface ForwardReply {
  readonly requestId: number;
  /** undefined: not done there, because it does not lead. */
  readonly outcome: { readonly reply: Uint8Array; readonly index: LogIndex } | undefined;
}

/** Written in the same batch as a flush, so that boot can tell whether disk and promise agree. */
export interface FlushMark {
  readonly applied: LogIndex;
  /** A committed entry that was durable then: a log without it at boot has lost entries. */
  readonly logDurable: EntryId;
  /** Members in force at `applied`, encoded. */
  readonly membership: Uint8Array;
}

/** The payload of a lease is on disk only: load `key`, answer with `contentLoaded`. */
export interface ContentLoad {
  readonly session: string;
  /** Which attachment of the session asked. */
  readonly attachment: number;
  readonly id: TaskId;
  readonly slot: number;
  readonly token: number;
  readonly key: Uint8Array;
}

/** What one worker session must be told; `session` is attached on this node. */
export interface SessionOutput {
  readonly session: string;
  readonly deliveries: Delivery[];
  readonly lost: LeaseLostEvent[];
  renewed: boolean;
  ended: boolean;
}

/**
 * `W` waits for the outcome of a write, `R` for the moment of a read, `C` for the outcome of a
 * change of members or leader.
 */
export interface Outputs<W, R, C = unknown> {
  /** Before anything is sent: whom the bus must reach. Present when it changed. */
  roster: Roster | undefined;
  readonly envelopes: Envelope[];
  readonly forwards: { readonly to: NodeId; readonly forwards: readonly Forward[] }[];
  forwardReplies: { readonly to: NodeId; readonly replies: readonly ForwardReply[] }[];
  readonly persists: PersistBatch[];
  outcomes: { readonly waiter: W; readonly outcome: Outcome }[];
  /**
   * Reads that may be served now; `applied` undefined: the read deadline passed without a leader.
   */
  readonly reads: { readonly waiter: R; readonly applied: LogIndex | undefined }[];
  sessions: ReadonlyMap<string, SessionOutput>;
  contentLoads: readonly ContentLoad[];
  readonly logReads: LogRead[];
  readonly finished: TaskId[];
  readonly changes: { readonly waiter: C; readonly outcome: ChangeOutcome }[];
  /** See `Ready.snapshotFetch`. */
  snapshotFetch: SnapshotFetch | undefined;
  /** Drop the log on disk up to this entry, when there is time. */
  compact: LogIndex | undefined;
  /** Present: the process must end once this turn's envelopes are sent, and do nothing else. */
  diverged: Divergence | undefined;
  /**
   * See `Ready.lost`: this node must do nothing else of what stands here, and give itself up.
   */
  lost: LogIndex | undefined;
  /** This node is no longer a member, for ever: the process must end once the rest is performed. */
  removed: boolean;
  flush: { readonly flush: Flush; readonly mark: FlushMark } | undefined;
  /** A flush has waited too long for the log: fsync now what the disk has been handed. */
  syncLog: boolean;
  leadership: Leadership | undefined;
  /** Things an operator should know, once each. */
  readonly notes: Note[];
}

/** A sentence for the log, with a level. */
export interface Note {
  readonly level: "info" | "warn";
  readonly text: string;
}

const NO_SESSIONS: ReadonlyMap<string, SessionOutput> = new Map();
const NO_LOADS: readonly ContentLoad[] = [];

export function emptyOutputs<W, R, C>(): Outputs<W, R, C> {
  return {
    roster: undefined,
    changes: [],
    snapshotFetch: undefined,
    compact: undefined,
    diverged: undefined,
    lost: undefined,
    removed: false,
    envelopes: [],
    forwards: [],
    forwardReplies: [],
    persists: [],
    outcomes: [],
    reads: [],
    sessions: NO_SESSIONS,
    contentLoads: NO_LOADS,
    logReads: [],
    finished: [],
    flush: undefined,
    syncLog: false,
    leadership: undefined,
    notes: [],
  };
}

/** A request counts on who the receiver is; an answer goes back to whoever that was. */
export function isRequest({ type }: Message): boolean {
  switch (type) {
    case "preVote":
    case "vote":
    case "append":
    case "heartbeat":
    case "installSnapshot":
    case "timeoutNow":
    case "lostEntries":
      return true;
    case "preVoteReply":
    case "voteReply":
    case "appendReply":
    case "heartbeatReply":
    case "readIndex":
    case "readIndexReply":
      return false;
    default:
      return unreachable(type);
  }
}

/** Messages about time and office tell the sender's clock and progress as well. */
export function carriesBeacon({ type }: Message): boolean {
  return (
    type === "heartbeat" ||
    type === "heartbeatReply" ||
    type === "preVoteReply" ||
    type === "voteReply"
  );
}
