/** `renew`: heartbeats. A session that has ended stays ended; its worker is told another way. */
import { DONE } from "../answers.ts";
import type { Renew } from "../command.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

export function renew(s: QueueState, { sessions }: Renew): Reply {
  for (const id of sessions) {
    const session = s.sessions.byId.get(id);
    if (session === undefined || session.record.lapsed) continue;
    const { deadline, leaseMs } = session.record;
    session.record.renewedAt = s.clock;
    s.sessions.setDeadline(session, Math.max(deadline, s.after(leaseMs)));
    s.dirtySessions.add(session);
  }
  return DONE;
}
