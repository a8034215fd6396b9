/**
 * Following what happens to tasks: long polls, one after the other, from position to position. A
 * position means the same on every broker, so that a lost connection, or another broker, loses
 * nothing and repeats nothing.
 */
import {
  type EventJson,
  type EventsJson,
  type EventsParams,
  WAIT_MS_MAX,
} from "task-queue-protocol";

export type EventFilter = Pick<EventsParams, "queue" | "type" | "id" | "kind">;

export interface FollowOptions {
  /**
   * A position, of an event or of a list's index: events behind it. Default: those that happen from
   * the first `next()` on.
   */
  readonly after?: string | undefined;
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

const PAGE = 500;

/** Throws `position_compacted` when the broker keeps no events from there any more. */
export async function* follow(
  poll: (params: EventsParams, signal: AbortSignal | undefined) => Promise<EventsJson>,
  filter: EventFilter,
  { after, signal }: FollowOptions,
): AsyncGenerator<EventJson, void, undefined> {
  // Where to begin is settled first: a poll that waited without a position, and were sent again
  // after a lost connection, would begin later than it should.
  let position = after ?? (await poll({ ...filter, limit: 1 }, signal)).next;
  for (;;) {
    const params = { ...filter, after: position, limit: PAGE, wait_ms: WAIT_MS_MAX };
    const { events, next } = await poll(params, signal);
    yield* events;
    position = next;
  }
}
