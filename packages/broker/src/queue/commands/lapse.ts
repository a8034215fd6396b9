/**
 * `lapse`: a session's deadline has passed. Void unless nothing renewed it since it was proposed: a
 * heartbeat committed before it wins, whoever was leader then.
 *
 * Leases that were extended beyond now hold on: the session stays known, without getting tasks,
 * until the last of them has ended, and is back in full when its worker registers again.
 *
 * One command ends a bounded number of leases, in the order of their grants. With others left the
 * session stays as it is, its deadline behind it, so that the leader proposes the same again.
 */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { Lapse } from "../command.ts";
import { WAKE_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { Session } from "../sessions.ts";
import type { QueueState } from "../state.ts";
import { dropSession, lapseRun, setRunTimer } from "../transitions.ts";
import { Work } from "../work.ts";

const RENEWED = refuse("state_conflict", "The session was renewed in the meantime.");

export function lapse(s: QueueState, { session: id, renewals }: Lapse): Reply {
  const session = s.sessions.byId.get(id);
  if (session === undefined || session.record.lapsed) return DONE_BEFORE;
  const { record } = session;
  if (record.renewals !== renewals || record.deadline > s.clock) return RENEWED;
  const isDone = endLeases(s, session);
  // Also of one that is not over: nothing is to be leased to it in the meantime.
  s.events.push({ type: "sessionEnded", session: id, lapsed: true });
  if (!isDone) return DONE;
  if (session.leaseCount === 0) {
    dropSession(s, session);
  } else {
    s.sessions.setLapsed(session, true);
    s.dirtySessions.add(session);
    holdExtended(s, session);
  }
  return DONE;
}

/** False when some are left. */
function endLeases(s: QueueState, session: Session): boolean {
  // Before version 3 all of them end at once.
  const work = new Work(s, s.version < 3 ? Number.POSITIVE_INFINITY : WAKE_MAX);
  let slot = session.leaseFirst;
  while (slot !== NONE) {
    const next = s.table.sessionNext[slot]!;
    if (s.table.extendedTo[slot]! <= s.clock) {
      if (work.isUsedUp) return false;
      work.carryOut(slot, lapseRun);
    }
    slot = next;
  }
  return true;
}

function holdExtended(s: QueueState, session: Session): void {
  for (let slot = session.leaseFirst; slot !== NONE; slot = s.table.sessionNext[slot]!) {
    setRunTimer(s, slot);
  }
}
