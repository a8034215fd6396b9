/** Nodes and what they do in a line or less, for the trace. */
import { describeMessage as describeRaftMessage, type Message } from "task-queue-raft";
import {
  type Batch,
  describeCommand,
  describeEvent,
  describeReply,
  type QueueEvent,
  type Reply,
} from "../../packages/broker/src/queue/index.ts";
import type { SimulatedOutputs, SimulatedReplica } from "./boot.ts";
import type { SimulatedNode } from "./node.ts";

export function describeMessage(message: Message): string {
  return describeRaftMessage(message);
}

/** The state after a turn, and what the turn asked for. */
export function describeOutputs(replica: SimulatedReplica, outputs: SimulatedOutputs): string {
  const { raft, queue } = replica;
  const { role, term, commit, lastIndex, durableIndex } = raft;
  const parts = [
    `${role} t${term} log ${lastIndex} durable ${durableIndex} commit ${commit}`,
    `applied ${queue.applied}`,
  ];
  for (const { seq, truncateFrom, entries, hardState } of outputs.persists) {
    const cut = truncateFrom === undefined ? "" : ` cut at ${truncateFrom}`;
    const vote = hardState === undefined ? "" : ` t${hardState.term} vote ${hardState.vote}`;
    parts.push(`writes #${seq}${vote}${cut} +${entries.length}`);
  }
  for (const { outcome } of outputs.outcomes) {
    parts.push(outcome.kind === "applied" ? `answers ${outcome.reply.code}` : outcome.kind);
  }
  if (outputs.flush !== undefined) parts.push(`flushes ${outputs.flush.mark.applied}`);
  for (const { session, deliveries } of outputs.sessions.values()) {
    parts.push(`${session}: ${deliveries.length} tasks`);
  }
  return parts.join(", ");
}

/** One applied entry, command by command. */
export function describeApplied(
  index: number,
  batch: Batch,
  replies: readonly Reply[],
  events: readonly QueueEvent[],
): string {
  const { at, commands } = batch;
  const pairs = commands.map((command, ordinal) => {
    return `${describeCommand(command, at)} → ${describeReply(replies[ordinal]!)}`;
  });
  const told = events.map((event) => describeEvent(event, (lane) => `lane ${lane}`)).join("; ");
  return `applies ${index} at ${at}: ${pairs.join("; ")}${told === "" ? "" : ` | ${told}`}`;
}

/** For whoever wonders what it is doing. */
export function describeNode(node: SimulatedNode): string {
  const { incarnation, book, replica, health, recovery } = node;
  const where = `${incarnation} of roster ${book?.revision ?? "none"}`;
  const hurt = `${health.isHurt ? " hurt" : ""}${recovery.describe()}`;
  const down = node.isRetired ? "retired" : node.isTooOld ? "too old" : "down";
  if (replica === undefined) return `${where} ${down}${hurt}`;
  const { role, term, commit, lastIndex } = replica.raft;
  const { applied, dirtyCount } = replica.queue;
  const extra = `${node.isFlushing ? " flushing" : ""}${node.isReceiving ? " receiving" : ""}`;
  const log = `t${term} ${applied}/${commit}/${lastIndex} dirty ${dirtyCount}`;
  return `${where} ${role} ${log}${extra}${hurt}`;
}
