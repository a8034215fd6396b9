/** Answers to writes go to callers on this node, or back to the nodes that forwarded them. */
import type { NodeId } from "task-queue-raft";
import { encodeReply } from "../queue/index.ts";
import type { ForwardReply, Outcome } from "./output.ts";
import type { Answer } from "./requests.ts";

export interface SortedAnswers<W> {
  readonly outcomes: readonly { readonly waiter: W; readonly outcome: Outcome }[];
  readonly forwardReplies: readonly { readonly to: NodeId; readonly replies: ForwardReply[] }[];
}

/** A forwarding node is told results only: it knows by itself when to give up. */
export function sortAnswers<W>(answers: readonly Answer<W>[]): SortedAnswers<W> {
  const outcomes: { waiter: W; outcome: Outcome }[] = [];
  const byNode = new Map<NodeId, ForwardReply[]>();
  for (const { request, outcome } of answers) {
    const { origin } = request;
    if (origin.kind === "local") {
      outcomes.push({ waiter: origin.waiter, outcome });
    } else if (outcome.kind === "applied") {
      const replies = byNode.get(origin.peer) ?? [];
      const encoded = { reply: encodeReply(outcome.reply), index: outcome.index };
      replies.push({ requestId: origin.requestId, outcome: encoded });
      byNode.set(origin.peer, replies);
    }
  }
  const forwardReplies = [...byNode].map(([to, replies]) => ({ to, replies }));
  return { outcomes, forwardReplies };
}
