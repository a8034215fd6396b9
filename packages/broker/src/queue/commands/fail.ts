/** `fail`: the run did not succeed; a retry is used, or the task is dead. */
import { answerEnded, changedTo, findRun } from "../answers.ts";
import type { Fail } from "../command.ts";
import { ERROR_MESSAGE_BYTES_MAX, ERROR_STACK_BYTES_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import type { TaskError } from "../task.ts";
import { failRun } from "../transitions.ts";
import { truncateText } from "../truncate.ts";

export function fail(s: QueueState, command: Fail): Reply {
  const { id, token, retryable, retryAfterMs } = command;
  const slot = findRun(s, id, token);
  if (slot === NONE) return answerEnded(s, id, token, "failed");
  const retry = { allowed: retryable, afterMs: retryAfterMs ?? 0 };
  return changedTo(failRun(s, slot, "failed", shorten(command.error), retry));
}

function shorten(error: TaskError): TaskError {
  return {
    message: truncateText(error.message, ERROR_MESSAGE_BYTES_MAX),
    stack: truncateText(error.stack, ERROR_STACK_BYTES_MAX),
  };
}
