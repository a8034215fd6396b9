/**
 * Membership changes at the leader (§4.1), one voter at a time: then any quorum of the old
 * membership and any of the new one have a voter in common, whichever of the two a node uses. Two
 * more rules make that true: only one change may be uncommitted, and none may be made before an
 * entry of the leader's own term is committed (Ongaro's erratum of 2015).
 */
import { fail } from "./assert.ts";
import type { Core } from "./core.ts";
import { appendOwn, hasCommittedInTerm, isOverloaded } from "./leader.ts";
import { membershipProblem, votersDifference } from "./membership.ts";
import type { Office } from "./office.ts";
import { resign } from "./resign.ts";
import type { MembershipRefusal } from "./status.ts";
import type { EntryId } from "./types.ts";

/** See `Raft.proposeMembership`. */
export function proposeMembership(core: Core, data: Uint8Array): EntryId | MembershipRefusal {
  const { office, memberships } = core;
  if (office === undefined) return "notLeader";
  if (office.transfer !== undefined) return "transferring";
  if (core.isChangingMembership) return "pending";
  if (!hasCommittedInTerm(core)) return "notReady";
  const membership = core.options.decodeMembership(data);
  if (membership.voters.length === 0) return "tooMuch";
  const problem = membershipProblem(membership);
  if (problem !== undefined) fail(`proposed: ${problem}`);
  if (votersDifference(memberships.current, membership) > 1) return "tooMuch";
  if (isOverloaded(core, office)) return "overloaded";
  const id = appendOwn(core, "membership", data);
  office.membershipChanged(membership, id.index, core.now);
  return id;
}

/**
 * End of a turn, when all that is committed has been sent: those who were removed are let go once
 * they have had time to hear of it, and a leader that was removed leaves (§4.2.2).
 */
export function settleMembership(core: Core, office: Office): void {
  for (const [peer, progress] of office.progress) {
    if (progress.leavingAt === undefined || progress.leavingAt > core.commit) continue;
    const deadline = core.now + core.options.electionTimeoutMs;
    progress.leaveDeadline = Math.min(progress.leaveDeadline, deadline);
    if (progress.leaveDeadline <= core.now) office.progress.delete(peer);
  }
  if (core.isVoter || core.isChangingMembership) return;
  resign(core, office);
}
