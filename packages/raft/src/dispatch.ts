/**
 * Where a message goes: first by its term (Figure 3.1: "all servers"), then by its type. Pre-votes
 * stand outside the terms, and a vote does not even reach them while a leader is trusted.
 */
import { fail, unreachable } from "./assert.ts";
import { handlePreVote, handlePreVoteReply, handleVote, handleVoteReply } from "./candidate.ts";
import type { Core } from "./core.ts";
import {
  handleAppend,
  handleHeartbeat,
  handleLostEntries,
  handleReadIndexReply,
} from "./follower.ts";
import { handleAppendReply, handleHeartbeatReply, handleReadIndex } from "./leader.ts";
import type {
  AppendReply,
  HeartbeatReply,
  Message,
  PreVote,
  PreVoteReply,
  ReadIndex,
} from "./message.ts";
import type { Office } from "./office.ts";
import { handleInstallSnapshot } from "./snapshots.ts";
import { handleTimeoutNow } from "./transfer.ts";

export function dispatch(core: Core, message: Message): void {
  if (message.to !== core.id || message.from === core.id) {
    fail(`a message from ${message.from} to ${message.to} was given to ${core.id}`);
  }
  if (message.type === "preVote") {
    handlePreVote(core, message);
  } else if (message.type === "preVoteReply") {
    handlePreVoteReply(core, message);
  } else if (message.type === "vote" && core.trustsLeader && !message.transfer) {
    // Not even its term is looked at: it may come from a member that was removed (§4.2.3).
    return;
  } else if (message.term < core.term) {
    answerStale(core, message);
  } else {
    if (message.term > core.term) core.takeUpTerm(message.term);
    dispatchInTerm(core, message);
  }
}

/** Messages of our own term, and of the term just taken up. */
function dispatchInTerm(core: Core, message: Exclude<Message, PreVote | PreVoteReply>): void {
  switch (message.type) {
    case "vote":
      handleVote(core, message);
      break;
    case "voteReply":
      handleVoteReply(core, message);
      break;
    case "append":
      handleAppend(core, message);
      break;
    case "heartbeat":
      handleHeartbeat(core, message);
      break;
    case "readIndexReply":
      handleReadIndexReply(core, message);
      break;
    case "installSnapshot":
      handleInstallSnapshot(core, message);
      break;
    case "timeoutNow":
      handleTimeoutNow(core, message);
      break;
    case "lostEntries":
      handleLostEntries(core, message);
      break;
    case "appendReply":
    case "heartbeatReply":
    case "readIndex":
      if (core.office !== undefined) dispatchToLeader(core, core.office, message);
      break;
    default:
      unreachable(message);
  }
}

function dispatchToLeader(
  core: Core,
  office: Office,
  message: AppendReply | HeartbeatReply | ReadIndex,
): void {
  if (message.type === "appendReply") handleAppendReply(core, office, message);
  else if (message.type === "heartbeatReply") handleHeartbeatReply(core, office, message);
  else handleReadIndex(office, message);
}

/**
 * A message of an earlier term has no effect, but who leads or campaigns in one must learn of ours:
 * otherwise a node whose term has run ahead could never follow the leader again.
 */
function answerStale(core: Core, message: Message): void {
  const head = { from: core.id, to: message.from, term: core.term };
  if (message.type === "append" || message.type === "installSnapshot") {
    core.send({ ...head, type: "appendReply", match: 0, durable: 0 });
  } else if (message.type === "heartbeat") {
    core.send({ ...head, type: "heartbeatReply", round: message.round });
  } else if (message.type === "vote") {
    core.send({ ...head, type: "voteReply", granted: false });
  }
}
