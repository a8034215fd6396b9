/**
 * The vocabulary of the log, in the words of the Raft paper (Ongaro, "Consensus: Bridging Theory
 * and Practice", 2014). Nothing here knows what an entry carries.
 */

/** A member's name, unique in the cluster, e.g. `node1`. */
export type NodeId = string;

/** Election term, a whole number from 0; 0 means "no term yet". */
export type Term = number;

/** Position in the log, a whole number; the first entry has index 1, 0 means "before the log". */
export type LogIndex = number;

/** Names one entry for ever: two logs that hold the same EntryId hold the same entry (§3.5). */
export interface EntryId {
  readonly term: Term;
  readonly index: LogIndex;
}

/**
 * - `normal`: a batch of commands of the application, opaque here;
 * - `empty`: the no-op of a new leader (§6.4), applied by nobody;
 * - `membership`: a new `Membership`, encoded by the application.
 */
export type EntryKind = "normal" | "empty" | "membership";

export interface Entry extends EntryId {
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What a node must have on disk before it sends any message that depends on it (Figure 3.1). */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId | undefined;
}

/**
 * Who votes and who only receives the log (§4.2.1). Both lists are sorted and without duplicates.
 */
export interface Membership {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/** Which state a snapshot holds: that after this entry, and who was a member then. */
export interface SnapshotId extends EntryId {
  readonly membership: Membership;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";
