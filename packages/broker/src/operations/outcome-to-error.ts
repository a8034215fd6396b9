/**
 * How a write ended, in the words of the error catalogue. Every door answers with the same ones.
 */
import { TqError } from "task-queue-protocol";
import type { Reply } from "../queue/index.ts";
import { unreachable } from "../queue/index.ts";
import type { Outcome } from "./broker.ts";

/**
 * The refusal in an outcome; undefined when the command was accepted. `list`: the field in which
 * the tasks of the command stand, when it has several.
 */
export function outcomeToError(outcome: Outcome, list = "tasks"): TqError | undefined {
  switch (outcome.kind) {
    case "applied":
      return replyToError(outcome.reply, list);
    case "refused":
      return new TqError(outcome.code, outcome.message);
    case "unknown":
      return new TqError("outcome_unknown", outcome.message);
    default:
      return unreachable(outcome);
  }
}

function replyToError(reply: Reply, list: string): TqError | undefined {
  if (reply.code === "ok" || reply.code === "leased" || reply.code === "submitted")
    return undefined;
  if (reply.at === undefined) return new TqError(reply.code, reply.message);
  const field = `${list}[${reply.at}]`;
  return new TqError(reply.code, `${field}: ${reply.message}`, { field });
}
