/**
 * `wake`: what time alone does to tasks, in the order of their times and then of their places in
 * line. Waiting tasks come due; runs end at their timeout, or, when their session is gone, with
 * their own extension. A copy finds nothing due and does nothing.
 */
import { DONE } from "../answers.ts";
import type { Wake } from "../command.ts";
import { WAKE_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { RUNNING } from "../state-number.ts";
import {
  becomePending,
  failRun,
  lapseRun,
  loseLease,
  timeoutAt,
  withdraw,
} from "../transitions.ts";

const AS_THE_POLICY_SAYS = { allowed: true, afterMs: 0 };

export function wake(s: QueueState, { max }: Wake): Reply {
  const { table, timers } = s;
  for (let moved = Math.min(max, WAKE_MAX); moved > 0; moved--) {
    const slot = timers.top;
    if (slot === NONE || table.timerAt[slot]! > s.clock) break;
    if (table.state[slot] === RUNNING) endOverdue(s, slot);
    else {
      withdraw(s, slot);
      becomePending(s, slot);
    }
  }
  return DONE;
}

function endOverdue(s: QueueState, slot: number): void {
  // The timer stands at the earlier of timeout and extension; on a tie the run was too long.
  if (timeoutAt(s, slot) > s.table.timerAt[slot]!) {
    lapseRun(s, slot);
    return;
  }
  const message = `the run took longer than its timeout of ${s.table.timeoutMs[slot]!} ms`;
  loseLease(s, slot, "timeout");
  failRun(s, slot, "timeout", { message, stack: "" }, AS_THE_POLICY_SAYS);
}
