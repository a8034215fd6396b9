/**
 * The types of Raft's messages as the bus numbers them, and what is said of each: on which stream
 * it travels, and since which version of the bus it can be said.
 */
import type { MessageType } from "task-queue-raft";

/** The position is the tag; those between belong to what is no message of Raft's. */
export const MESSAGE_TYPES: readonly (MessageType | undefined)[] = [
  undefined,
  "preVote",
  "preVoteReply",
  "vote",
  "voteReply",
  "append",
  "appendReply",
  "heartbeat",
  "heartbeatReply",
  "readIndex",
  "readIndexReply",
  undefined,
  undefined,
  "installSnapshot",
  "timeoutNow",
  "lostEntries",
];
/** What a reader of version 1 does not know: it is not said to it. */
const LATER_TYPES: ReadonlySet<MessageType> = new Set<MessageType>(["lostEntries"]);

/** Which stream a message travels on: entries and their answers never hold up the rest. */
export function streamOf(type: MessageType): "control" | "append" {
  return type === "append" || type === "appendReply" ? "append" : "control";
}

/** False: on a stream of this version it cannot be said, and need not be. */
export function isKnownTo(version: number, type: MessageType): boolean {
  return version > 1 || !LATER_TYPES.has(type);
}
