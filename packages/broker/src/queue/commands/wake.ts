/**
 * `wake`: what time alone does to tasks, in the order of their times and then of their places in
 * line. Waiting tasks come due; runs end at their timeout, or, when their session is gone, with
 * their own extension; blocked tasks end whose parent has failed them; tasks that wait beyond their
 * expiry end. What comes due at the instant at which another one expires goes first. A copy finds
 * nothing due and does nothing.
 */
import { DONE } from "../answers.ts";
import type { Wake } from "../command.ts";
import { endDoomed } from "../doomed.ts";
import { nextExpiry } from "../expiry.ts";
import { WAKE_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { BLOCKED, RUNNING } from "../state-number.ts";
import {
  becomePending,
  expire,
  failRun,
  lapseRun,
  loseLease,
  timeoutAt,
  withdraw,
} from "../transitions.ts";
import { Work } from "../work.ts";

const AS_THE_POLICY_SAYS = { allowed: true, afterMs: 0 };

export function wake(s: QueueState, { max }: Wake): Reply {
  const work = new Work(s, Math.min(max, WAKE_MAX));
  while (!work.isUsedUp && wakeNext(s, work));
  return DONE;
}

/** False = nothing is due. */
function wakeNext(s: QueueState, work: Work): boolean {
  const { table, timers } = s;
  const slot = timers.top;
  const at = slot === NONE ? Number.POSITIVE_INFINITY : table.timerAt[slot]!;
  const expiresAt = nextExpiry(s);
  if (Math.min(at, expiresAt) > s.clock) return false;
  if (expiresAt < at) work.carryOut(s.expiries.top, expire);
  else if (table.state[slot] === RUNNING) work.carryOut(slot, endOverdue);
  else if (table.state[slot] === BLOCKED) work.carryOut(slot, endDoomed);
  else work.carryOut(slot, comeDue);
  return true;
}

function comeDue(s: QueueState, slot: number): void {
  withdraw(s, slot);
  becomePending(s, slot);
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
