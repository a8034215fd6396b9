/**
 * `complete`: the run succeeded; its result is kept with the finished task. The tasks that begin
 * with it are checked as if it had ended already: when one of them cannot be made nothing happens,
 * and the run is still under way.
 */
import { answerEnded, changedTo, findRun } from "../answers.ts";
import { judgeAll, makeAll, type Verdict } from "../batch-submit.ts";
import type { Complete } from "../command.ts";
import { NONE } from "../live-table.ts";
import { Plan } from "../plan.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { COMPLETED } from "../state-number.ts";
import { endRun, finish } from "../transitions.ts";

const NOTHING: readonly Verdict[] = [];

export function complete(s: QueueState, command: Complete): Reply {
  const { id, token, result, resultType, children } = command;
  const slot = findRun(s, id, token);
  if (slot === NONE) return answerEnded(s, id, token, "completed");
  const plan = children === undefined ? undefined : new Plan(s, slot);
  const verdicts = plan === undefined ? NOTHING : judgeAll(s, children ?? [], plan);
  if ("code" in verdicts) return verdicts;
  finish(s, slot, {
    state: COMPLETED,
    at: s.clock,
    final: endRun(s, slot, "completed"),
    error: undefined,
    result: { bytes: result, type: resultType },
  });
  if (plan !== undefined) makeAll(s, verdicts, plan);
  return changedTo(COMPLETED);
}
