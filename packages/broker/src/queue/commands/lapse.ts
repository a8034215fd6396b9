/**
 * `lapse`: a session's deadline has passed. Void unless nothing renewed it since it was proposed: a
 * heartbeat committed before it wins, whoever was leader then.
 *
 * Leases that were extended beyond now hold on: the session stays known, without getting tasks,
 * until the last of them has ended, and is back in full when its worker registers again.
 */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { Lapse } from "../command.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { Session } from "../sessions.ts";
import type { QueueState } from "../state.ts";
import { dropSession, lapseRun, setRunTimer } from "../transitions.ts";

const RENEWED = refuse("state_conflict", "The session was renewed in the meantime.");

export function lapse(s: QueueState, { session: id, renewals }: Lapse): Reply {
  const session = s.sessions.byId.get(id);
  if (session === undefined || session.record.lapsed) return DONE_BEFORE;
  const { record } = session;
  if (record.renewals !== renewals || record.deadline > s.clock) return RENEWED;
  endLeases(s, session);
  if (session.leaseCount === 0) {
    dropSession(s, session);
  } else {
    s.sessions.setLapsed(session, true);
    s.dirtySessions.add(session);
    holdExtended(s, session);
  }
  s.events.push({ type: "sessionEnded", session: id, lapsed: true });
  return DONE;
}

function endLeases(s: QueueState, session: Session): void {
  let slot = session.leaseFirst;
  while (slot !== NONE) {
    const next = s.table.sessionNext[slot]!;
    if (s.table.extendedTo[slot]! <= s.clock) lapseRun(s, slot);
    slot = next;
  }
}

function holdExtended(s: QueueState, session: Session): void {
  for (let slot = session.leaseFirst; slot !== NONE; slot = s.table.sessionNext[slot]!) {
    setRunTimer(s, slot);
  }
}
