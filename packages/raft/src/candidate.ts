/**
 * Elections: when to stand, how votes are asked for, given and counted. A campaign has two steps.
 * A pre-vote (§9.6) asks whether a campaign could be won and changes nothing anywhere, so a node
 * that was cut off cannot disturb the others with a term it raised alone. Then the real vote.
 */
import type { Core } from "./core.ts";
import { becomeLeader } from "./leader.ts";
import type { PreVote, PreVoteReply, Vote, VoteReply } from "./message.ts";
import { voteResult } from "./quorum.ts";
import type { NodeId } from "./types.ts";

/** Time has passed for a node that does not lead. */
export function electionTick(core: Core): void {
  if (!core.timer.expired(core.now)) return;
  if (core.mayStand) {
    preCampaign(core);
    return;
  }
  // Learners and strangers never stand, but they must not believe in a silent leader for ever.
  core.becomeFollower(core.term, undefined);
  core.timer.reset(core.now);
}

function preCampaign(core: Core): void {
  core.becomeFollower(core.term, undefined);
  core.role = "preCandidate";
  core.timer.tried(core.now);
  core.votes.set(core.id, true);
  if (core.isSoleVoter) {
    campaign(core, false);
    return;
  }
  for (const to of otherVoters(core)) {
    core.send({ type: "preVote", from: core.id, to, term: core.term + 1, last: core.log.last });
  }
}

/** `isTransfer`: the leader asked for it. */
export function campaign(core: Core, isTransfer: boolean): void {
  core.becomeFollower(core.term + 1, undefined);
  core.role = "candidate";
  core.vote = core.id;
  core.timer.campaigned(core.now);
  // Our own vote counts once it is on disk, like everyone else's: see `selfVotePersisted`.
  const { id: from, term } = core;
  const { last } = core.log;
  for (const to of otherVoters(core)) {
    core.send({ type: "vote", from, to, term, last, transfer: isTransfer });
  }
}

function otherVoters(core: Core): NodeId[] {
  return core.memberships.current.voters.filter((id) => id !== core.id);
}

/** False: from now on this node wants no office; it goes on voting for others. */
export function setCampaigning(core: Core, may: boolean): void {
  core.mayCampaign = may;
  if (may) return;
  const isStanding = core.role === "preCandidate" || core.role === "candidate";
  if (isStanding) core.becomeFollower(core.term, undefined);
}

/** The hard state of this term is on disk, and with it our vote for ourselves. */
export function selfVotePersisted(core: Core): void {
  if (core.votes.has(core.id)) return;
  core.votes.set(core.id, true);
  count(core);
}

/** Answers without changing anything here, whatever the answer is. */
export function handlePreVote(core: Core, { from, term, last }: PreVote): void {
  if (core.trustsLeader) return;
  const granted = term > core.term && core.isUpToDate(last);
  // Our own term rides along: a node that is behind in terms must learn it to ever be elected.
  core.send({ type: "preVoteReply", from: core.id, to: from, term: core.term, granted });
}

export function handlePreVoteReply(core: Core, { from, term, granted }: PreVoteReply): void {
  if (term > core.term) {
    core.takeUpTerm(term);
    return;
  }
  // The term of a supporter may well be lower than ours, so it is not looked at any further. An
  // answer to an earlier try counts as well: a pre-vote decides nothing but whether to campaign.
  if (core.role !== "preCandidate" || core.votes.has(from)) return;
  core.votes.set(from, granted);
  count(core);
}

/** The term of the message has been taken up before. */
export function handleVote(core: Core, { from, term, last }: Vote): void {
  const isFree = core.vote === undefined && core.leader === undefined;
  const granted = (isFree || core.vote === from) && core.isUpToDate(last);
  if (granted) {
    if (core.role === "preCandidate") core.becomeFollower(core.term, undefined);
    if (core.vote === undefined) {
      core.vote = from;
      core.disk.hardStateChanged();
    }
    // Only a vote given buys the candidate time; one refused leaves our own chances as they were.
    core.timer.reset(core.now);
  }
  core.send({ type: "voteReply", from: core.id, to: from, term, granted });
}

export function handleVoteReply(core: Core, { from, granted }: VoteReply): void {
  if (core.role !== "candidate" || core.votes.has(from)) return;
  core.votes.set(from, granted);
  count(core);
}

function count(core: Core): void {
  const result = voteResult(core.memberships.current.voters, core.votes);
  if (result === "pending") return;
  if (result === "lost") core.becomeFollower(core.term, undefined);
  else if (core.role === "preCandidate") campaign(core, false);
  else if (core.votes.has(core.id)) becomeLeader(core);
}
