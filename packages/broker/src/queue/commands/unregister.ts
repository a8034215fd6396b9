/** `unregister`: a worker leaves in peace; every task it holds is pending again at once. */
import { DONE, DONE_BEFORE } from "../answers.ts";
import type { Unregister } from "../command.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { dropSession, releaseRun } from "../transitions.ts";

export function unregister(s: QueueState, { session: id }: Unregister): Reply {
  const session = s.sessions.byId.get(id);
  if (session === undefined) return DONE_BEFORE;
  const { lapsed } = session.record;
  // Not lapsed any more, so that the end of the last lease does not drop it on the way.
  if (lapsed) s.sessions.setLapsed(session, false);
  while (session.leaseFirst !== NONE) releaseRun(s, session.leaseFirst);
  dropSession(s, session);
  // Of a lapsed session the end has been told.
  if (!lapsed) s.events.push({ type: "sessionEnded", session: id, lapsed: false });
  return DONE;
}
