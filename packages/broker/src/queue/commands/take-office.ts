/**
 * `takeOffice`: a new leader's first command. Heartbeats may have been lost between two leaders, so
 * every session gets a whole lease from now, and so does every extension that stands in for one.
 */
import { DONE } from "../answers.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { Session } from "../sessions.ts";
import type { QueueState } from "../state.ts";
import { setRunTimer } from "../transitions.ts";

export function takeOffice(s: QueueState): Reply {
  for (const session of s.sessions.byId.values()) {
    const until = s.after(session.record.leaseMs);
    // Of a live session the extensions need nothing: its own deadline covers them.
    if (session.record.lapsed) prolongLeases(s, session, until);
    else s.sessions.setDeadline(session, Math.max(session.record.deadline, until));
    s.dirtySessions.add(session);
  }
  return DONE;
}

function prolongLeases(s: QueueState, session: Session, until: number): void {
  const { table } = s;
  for (let slot = session.leaseFirst; slot !== NONE; slot = table.sessionNext[slot]!) {
    if (table.extendedTo[slot]! >= until) continue;
    table.extendedTo[slot] = until;
    s.touch(slot);
    setRunTimer(s, slot);
  }
}
