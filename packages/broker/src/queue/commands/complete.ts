/** `complete`: the run succeeded; its result is kept with the finished task. */
import { answerEnded, changedTo, findRun } from "../answers.ts";
import type { Complete } from "../command.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { COMPLETED } from "../state-number.ts";
import { endRun, finish } from "../transitions.ts";

export function complete(s: QueueState, { id, token, result, resultType }: Complete): Reply {
  const slot = findRun(s, id, token);
  if (slot === NONE) return answerEnded(s, id, token, "completed");
  finish(s, slot, {
    state: COMPLETED,
    at: s.clock,
    final: endRun(s, slot, "completed"),
    error: undefined,
    result: { bytes: result, type: resultType },
  });
  return changedTo(COMPLETED);
}
