/** What could be leased to a session right now: for the leader's dispatcher, no part of replay. */
import { Claims } from "./claims.ts";
import type { Session } from "./sessions.ts";
import type { QueueState } from "./state.ts";
import type { TaskContent } from "./task.ts";

/**
 * How many pending tasks a lease could give this session, counted up to `max`, of those that are
 * not claimed yet; they are claimed by this.
 */
export function countReady(
  s: QueueState,
  session: Session,
  max: number,
  claims = new Claims(),
): number {
  let ready = 0;
  for (const queue of s.lanes.ready) {
    for (const lane of queue.readyLanes) {
      if (ready === max) return ready;
      if (!session.takes(queue.name, lane)) continue;
      const share = Math.min(claims.left(lane), max - ready);
      if (share > 0) claims.take(lane, share);
      ready += share;
    }
  }
  return ready;
}

/**
 * Whether a new task like this could be leased to the session at once, unless its group is full.
 */
export function couldHave(
  s: QueueState,
  session: Session,
  content: Pick<TaskContent, "queue" | "type" | "requires">,
): boolean {
  if (!session.takes(content.queue, content)) return false;
  return s.lanes.queues.get(content.queue)?.room !== 0;
}
