/** `recall`: an operator ends a run that nobody expects to end; its worker is told. */
import { answerEnded, changedTo, findRun } from "../answers.ts";
import type { Recall } from "../command.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { PENDING } from "../state-number.ts";
import { loseLease, releaseRun } from "../transitions.ts";

export function recall(s: QueueState, { id, token }: Recall): Reply {
  const slot = findRun(s, id, token);
  if (slot === NONE) return answerEnded(s, id, token, "released");
  // Workers know of no other reason that would say: it is not yours any more.
  loseLease(s, slot, "lapsed");
  releaseRun(s, slot);
  return changedTo(PENDING);
}
