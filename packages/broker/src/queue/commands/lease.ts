/**
 * `lease`: gives pending tasks to a session: as many as it asks for, and as the limits of queues
 * and groups let begin. A task whose time is over ends as expired instead, even if no wake has come
 * for it yet: as many of them as one `wake` would end, and of those that others wait for only one.
 */
import { NO_SESSION, refuse } from "../answers.ts";
import type { Lease } from "../command.ts";
import { hasExpired } from "../expiry.ts";
import { LeaseOrder } from "../lease-order.ts";
import { LEASES_PER_SESSION_MAX, WAKE_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import type { Reply } from "../reply.ts";
import type { Session } from "../sessions.ts";
import type { QueueState } from "../state.ts";
import type { Token } from "../task.ts";
import { expire, grant } from "../transitions.ts";

const TOO_MANY_LEASES = refuse(
  "overloaded",
  `The session holds ${LEASES_PER_SESSION_MAX} leases already; finish some first.`,
);

export function lease(s: QueueState, { session: id, count }: Lease): Reply {
  const session = s.sessions.byId.get(id);
  if (session === undefined || session.record.lapsed) return NO_SESSION;
  const room = LEASES_PER_SESSION_MAX - session.leaseCount;
  if (room === 0 && count > 0) return TOO_MANY_LEASES;
  const tokens = grantUpTo(s, session, Math.min(count, room));
  return { code: "leased", granted: tokens.length, tokens };
}

function grantUpTo(s: QueueState, session: Session, count: number): Token[] {
  const tokens: Token[] = [];
  const order = new LeaseOrder(s, session);
  let left = WAKE_MAX;
  while (tokens.length < count) {
    const slot = order.next;
    if (slot === NONE) break;
    if (!hasExpired(s, slot)) {
      tokens.push(grant(s, slot, session));
      order.taken();
      continue;
    }
    const links = s.links.size;
    expire(s, slot);
    order.taken();
    // Who has heard of its end may go before all that is in order here.
    if (--left > 0 && s.links.size === links) continue;
    tellMore(s, order.next);
    break;
  }
  return tokens;
}

/** The session got less than it asked for, and may think that nothing is left. */
function tellMore(s: QueueState, next: number): void {
  if (next !== NONE) s.events.push(s.lanes.laneOf(next).readyEvent);
}
