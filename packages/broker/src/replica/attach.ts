/**
 * Connects a worker session to its worker, which may have been connected before, here or elsewhere.
 */
import type { Token } from "../queue/index.ts";
import { unknownLeases } from "./dispatcher.ts";
import type { Machinery } from "./machinery.ts";
import type { Attachment } from "./options.ts";

/** `held`: what the worker believes to hold. undefined: the session has ended. */
export function attachSession(
  { queue, dispatcher, sessions }: Machinery,
  session: string,
  held: readonly Token[],
): Attachment | undefined {
  const view = queue.session(session);
  if (view === undefined || view.lapsed) return undefined;
  dispatcher.attach(session);
  sessions.attached(session);
  const leases = queue.leases(session);
  for (const lease of unknownLeases(leases, held)) {
    sessions.deliver(session, lease.slot, lease.id, lease.token);
  }
  const live = new Set(leases.map((lease) => lease.token));
  return { lost: held.filter((token) => !live.has(token)), leaseMs: view.leaseMs };
}
