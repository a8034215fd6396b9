/** `register`: a worker presents itself, for the first time or again with the same secret. */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { Register } from "../command.ts";
import { SESSION_NAMES_MAX, SESSIONS_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { sameBytes } from "../lookup.ts";
import type { Refused, Reply } from "../reply.ts";
import type { Session } from "../sessions.ts";
import type { QueueState } from "../state.ts";
import { setRunTimer } from "../transitions.ts";

const OTHER_SECRET = refuse(
  "permission_denied",
  "This session belongs to a worker with another secret; use a new session id.",
);
const NO_TYPES = refuse("invalid_request", "A session must name at least one task type.");
const NO_LEASE = refuse("invalid_request", "The lease of a session must be longer than 0 ms.");
const TOO_MANY_NAMES = refuse(
  "invalid_request",
  `A session may list ${SESSION_NAMES_MAX} queues, types and labels, not more.`,
);
const TOO_MANY_SESSIONS = refuse(
  "overloaded",
  `There are ${SESSIONS_MAX} sessions already; try again later.`,
);

export function register(s: QueueState, command: Register): Reply {
  const known = s.sessions.byId.get(command.session);
  if (known !== undefined && !sameBytes(known.record.secret, command.secret)) return OTHER_SECRET;
  const refusal = check(command);
  if (refusal !== undefined) return refusal;
  if (known !== undefined) {
    refresh(s, known, command);
    return DONE_BEFORE;
  }
  if (s.sessions.byId.size >= SESSIONS_MAX) return TOO_MANY_SESSIONS;
  const session = s.sessions.add({
    ...described(command),
    id: command.session,
    // A view of the log entry would keep all of it in memory.
    secret: command.secret.slice(),
    deadline: s.after(command.leaseMs),
    renewals: 0,
    registeredAt: s.clock,
    renewedAt: s.clock,
    lapsed: false,
  });
  s.dirtySessions.add(session);
  return DONE;
}

function check({ types, queues, labels, leaseMs }: Register): Refused | undefined {
  if (types.length === 0) return NO_TYPES;
  if (leaseMs === 0) return NO_LEASE;
  const names = types.length + queues.length + labels.length;
  return names > SESSION_NAMES_MAX ? TOO_MANY_NAMES : undefined;
}

function described({ name, queues, types, labels, concurrency, version, leaseMs }: Register) {
  return { name, queues, types, labels, concurrency, version, leaseMs };
}

function refresh(s: QueueState, session: Session, command: Register): void {
  const { record } = session;
  Object.assign(record, described(command), { renewedAt: s.clock });
  session.namesChanged();
  s.sessions.setDeadline(session, s.after(command.leaseMs));
  s.dirtySessions.add(session);
  if (!record.lapsed) return;
  // It comes back to the leases that it had extended: they hang on its deadline again.
  s.sessions.setLapsed(session, false);
  for (let slot = session.leaseFirst; slot !== NONE; slot = s.table.sessionNext[slot]!) {
    setRunTimer(s, slot);
  }
}
