/**
 * `lease`: gives pending tasks to a session, most urgent first, then by place in line, over all
 * lanes that the session takes. The lanes' first tasks form a small heap, so a grant costs O(log
 * lanes).
 */
import { NO_SESSION, refuse } from "../answers.ts";
import type { Lease } from "../command.ts";
import type { Lane } from "../lanes.ts";
import { LEASES_PER_SESSION_MAX } from "../limits.ts";
import type { Reply } from "../reply.ts";
import type { Session } from "../sessions.ts";
import type { QueueState } from "../state.ts";
import type { Token } from "../task.ts";
import { grant } from "../transitions.ts";

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
  const lanes = s.lanes.ready.filter((lane) => session.takes(lane.queue.name, lane.type));
  for (let at = (lanes.length >> 1) - 1; at >= 0; at--) sink(s, lanes, at);
  while (tokens.length < count && lanes.length > 0) {
    const lane = lanes[0]!;
    tokens.push(grant(s, lane.top, session));
    if (lane.readyCount === 0) {
      const last = lanes.pop()!;
      if (lanes.length > 0) lanes[0] = last;
    }
    sink(s, lanes, 0);
  }
  return tokens;
}

function sink(s: QueueState, lanes: Lane[], from: number): void {
  let at = from;
  for (;;) {
    let below = at * 2 + 1;
    if (below >= lanes.length) return;
    const right = below + 1;
    if (right < lanes.length && s.lanes.isBefore(lanes[right]!.top, lanes[below]!.top)) {
      below = right;
    }
    const lane = lanes[at]!;
    const child = lanes[below]!;
    if (!s.lanes.isBefore(child.top, lane.top)) return;
    lanes[at] = child;
    lanes[below] = lane;
    at = below;
  }
}
