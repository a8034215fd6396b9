/** `extend`: one lease holds until a given time at least, even if its session lapses before. */
import { answerEnded, changedTo, findRun } from "../answers.ts";
import type { Extend } from "../command.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { RUNNING } from "../state-number.ts";
import { setRunTimer } from "../transitions.ts";

export function extend(s: QueueState, { id, token, forMs }: Extend): Reply {
  const slot = findRun(s, id, token);
  if (slot === NONE) return answerEnded(s, id, token, undefined);
  s.table.extendedTo[slot] = Math.max(s.table.extendedTo[slot]!, s.after(forMs));
  s.touch(slot);
  setRunTimer(s, slot);
  return changedTo(RUNNING);
}
