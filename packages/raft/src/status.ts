/**
 * What a node tells its caller about the cluster: how far each member is, and why a wish that
 * concerns members or leadership was not granted. A leader's view; other nodes know none of it.
 */
import type { Core } from "./core.ts";
import type { LogIndex, NodeId } from "./types.ts";

/** How far one member is, as its leader sees it. */
export interface MemberStatus {
  readonly id: NodeId;
  /** Handed to its disk, and equal to the leader's log, up to here. */
  readonly match: LogIndex;
  /** The same, and fsynced. */
  readonly durable: LogIndex;
  /** When it was last heard, on the caller's clock; the leader itself: now. */
  readonly lastContactMs: number;
  /**
   * Set while it waits for a snapshot of at least this index; the log has to be kept from there on.
   */
  readonly snapshotIndex: LogIndex | undefined;
}

/** Why a new membership was not appended; nothing has happened then. */
export type MembershipRefusal =
  | "notLeader"
  /** No entry of this term is committed yet (Ongaro's erratum of 2015): ask again in a moment. */
  | "notReady"
  /** An earlier change is not committed yet. */
  | "pending"
  /** It differs from the present one by more than one voter, or names no voter (§4.1). */
  | "tooMuch"
  | "transferring"
  | "overloaded";

/** Why the office is not being handed over; nothing has happened then. */
export type TransferRefusal =
  | "notLeader"
  /** The target is no voter. */
  | "notVoter"
  /** The target is this node. */
  | "isLeader"
  /** Another transfer, or a membership change, is under way. */
  | "pending";

/** The leader first, then the members in force; a member on its way out is not shown any more. */
export function membersStatus(core: Core): readonly MemberStatus[] {
  const { office, disk, id, now } = core;
  if (office === undefined) return [];
  const { written: match, durable } = disk;
  const all: MemberStatus[] = [
    { id, match, durable, lastContactMs: now, snapshotIndex: undefined },
  ];
  for (const [peer, progress] of office.progress) {
    if (progress.isLeaving) continue;
    const { match, durable, lastContactMs, snapshotIndex } = progress;
    all.push({ id: peer, match, durable, lastContactMs, snapshotIndex });
  }
  return all;
}
