/**
 * Leadership transfer (§3.10): the leader takes no more proposals, brings the target's log up to
 * date and asks it to campaign at once. The target's votes say so, and only therefore those who
 * still hear the old leader answer them. If nothing comes of it within an election timeout, or
 * `TRANSFER_MS_MAX` where that is shorter, the leader goes on as before. A target that campaigns
 * later than that does no harm either.
 */
import { campaign } from "./candidate.ts";
import type { Core } from "./core.ts";
import type { TimeoutNow } from "./message.ts";
import type { Office } from "./office.ts";
import type { TransferRefusal } from "./status.ts";
import type { NodeId } from "./types.ts";

/** No proposal is held for longer, however patient the elections of this cluster are. */
export const TRANSFER_MS_MAX = 2_000;

/** See `Raft.transferLeadership`. */
export function transferLeadership(core: Core, to: NodeId): "started" | TransferRefusal {
  const { office, memberships } = core;
  if (office === undefined) return "notLeader";
  if (to === core.id) return "isLeader";
  if (!memberships.isVoter(to)) return "notVoter";
  if (office.transfer !== undefined || core.isChangingMembership) return "pending";
  const deadline = core.now + Math.min(core.options.electionTimeoutMs, TRANSFER_MS_MAX);
  office.transfer = { to, deadline, askedMs: Number.NEGATIVE_INFINITY };
  return "started";
}

/** Time has passed: a transfer that has not succeeded by now has failed. */
export function transferTick(core: Core, office: Office): void {
  if (office.transfer !== undefined && office.transfer.deadline <= core.now) {
    office.transfer = undefined;
  }
}

/** End of a turn: asks the target when it has all entries, again with each heartbeat. */
export function flushTransfer(core: Core, office: Office): void {
  const { transfer } = office;
  if (transfer === undefined) return;
  if (core.now - transfer.askedMs < core.options.heartbeatIntervalMs) return;
  const progress = office.progress.get(transfer.to);
  if (progress === undefined || progress.match < core.log.lastIndex) return;
  transfer.askedMs = core.now;
  askToCampaign(core, transfer.to);
}

export function askToCampaign(core: Core, to: NodeId): void {
  core.send({ type: "timeoutNow", from: core.id, to, term: core.term });
}

/** Only the leader that we follow may ask, and only a voter may do it. */
export function handleTimeoutNow(core: Core, { from }: TimeoutNow): void {
  if (core.role !== "follower" || core.leader !== from) return;
  if (core.isVoter && core.mayCampaign) campaign(core, true);
}
