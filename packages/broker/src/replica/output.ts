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
} from "task-queue-raft";
import type { Delivery, Flush, LeaseLostEvent, Reply, TaskId } from "../queue/index.ts";

/** How a write ended. */
export type Outcome =
  /**
   * Committed and applied; `reply` may still be a refusal. `index`: read at or above it to see it.
   */
  | { readonly kind: "applied"; readonly reply: Reply; readonly index: LogIndex }
  /** Certainly not done. */
  | {
      readonly kind: "refused";
      readonly code: "no_leader" | "overloaded";
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
}

export interface Envelope {
  readonly message: Message;
  readonly beacon: Beacon | undefined;
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

/** `W` waits for the outcome of a write, `R` for the moment of a read. */
export interface Outputs<W, R> {
  readonly envelopes: Envelope[];
  readonly forwards: { readonly to: NodeId; readonly forwards: readonly Forward[] }[];
  readonly forwardReplies: { readonly to: NodeId; readonly replies: readonly ForwardReply[] }[];
  readonly persists: PersistBatch[];
  readonly outcomes: { readonly waiter: W; readonly outcome: Outcome }[];
  /**
   * Reads that may be served now; `applied` undefined: the read deadline passed without a leader.
   */
  readonly reads: { readonly waiter: R; readonly applied: LogIndex | undefined }[];
  readonly sessions: ReadonlyMap<string, SessionOutput>;
  readonly contentLoads: readonly ContentLoad[];
  readonly logReads: LogRead[];
  readonly finished: TaskId[];
  readonly flush: { readonly flush: Flush; readonly mark: FlushMark } | undefined;
  /** A flush has waited too long for the log: fsync now what the disk has been handed. */
  readonly syncLog: boolean;
  leadership: Leadership | undefined;
  /** Things an operator should know, once each. */
  readonly notes: Note[];
}

/** A sentence for the log, with a level. */
export interface Note {
  readonly level: "info" | "warn";
  readonly text: string;
}

export function emptyOutputs<W, R>(): Outputs<W, R> {
  return {
    envelopes: [],
    forwards: [],
    forwardReplies: [],
    persists: [],
    outcomes: [],
    reads: [],
    sessions: new Map(),
    contentLoads: [],
    logReads: [],
    finished: [],
    flush: undefined,
    syncLog: false,
    leadership: undefined,
    notes: [],
  };
}

/** Messages about time and office tell the sender's clock and progress as well. */
export function envelopeOf(
  message: Envelope["message"],
  beacon: () => NonNullable<Envelope["beacon"]>,
): Envelope {
  switch (message.type) {
    case "heartbeat":
    case "heartbeatReply":
    case "preVoteReply":
    case "voteReply":
      return { message, beacon: beacon() };
    default:
      return { message, beacon: undefined };
  }
}
