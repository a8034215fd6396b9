/**
 * A leader that leaves of its own accord, without having been deposed: it was removed (§4.2.2), or
 * cannot do its work, as with a disk that does not answer. Heartbeats alone would keep it in office
 * for ever, for they need no disk (hashicorp/raft #503). What it has appended stays in its log and
 * may yet be committed by another leader; whoever waits for it here must ask again there.
 */
import type { Core } from "./core.ts";
import type { Office } from "./office.ts";
import { askToCampaign } from "./transfer.ts";
import type { NodeId } from "./types.ts";

/** Follower of nobody, in the same term: it has voted in this one, so it cannot help another. */
export function resign(core: Core, office: Office): void {
  const successor = furthestVoter(core, office);
  // Its own followers would wait for an election timeout first.
  if (successor !== undefined) askToCampaign(core, successor);
  core.becomeFollower(core.term, undefined);
}

function furthestVoter(core: Core, office: Office): NodeId | undefined {
  let best: NodeId | undefined;
  let bestMatch = -1;
  for (const id of core.memberships.current.voters) {
    const progress = office.progress.get(id);
    if (progress === undefined || progress.match <= bestMatch) continue;
    if (core.now - progress.lastContactMs >= core.options.electionTimeoutMs) continue;
    best = id;
    bestMatch = progress.match;
  }
  return best;
}
