/** `release`: a worker gives a task back unrun. */
import { answerEnded, changedTo, findRun } from "../answers.ts";
import type { Release } from "../command.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { PENDING } from "../state-number.ts";
import { releaseRun } from "../transitions.ts";

export function release(s: QueueState, { id, token }: Release): Reply {
  const slot = findRun(s, id, token);
  if (slot === NONE) return answerEnded(s, id, token, "released");
  releaseRun(s, slot);
  return changedTo(PENDING);
}
