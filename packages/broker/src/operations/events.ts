/**
 * Following the feed of this node: positions as text, events as JSON, and waiting for new ones. A
 * position is `<index>.<ordinal>`, or `<index>` alone: behind everything that this log entry did,
 * as in the X-TQ-Applied-Index of any answer. It means the same on every node.
 */
import {
  didYouMean,
  type EventJson,
  type EventsJson,
  formatTaskId,
  TqError,
} from "task-queue-protocol";
import {
  ENTRY_END,
  FEED_KINDS,
  type FeedEvent,
  type FeedFilter,
  type FeedKind,
  type FeedPage,
  type FeedPosition,
} from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { idToFind } from "./ids.ts";
import { invalid, shown } from "./invalid.ts";
import {
  EVENT_KINDS_MAX,
  EVENT_STREAMS_MAX,
  EVENTS_LIMIT_DEFAULT,
  EVENTS_LIMIT_MAX,
  EVENTS_PAUSE_MS,
  WAIT_MS_MAX,
} from "./limits.ts";
import type { Fields } from "./read-fields.ts";
import type { Answer } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

export const EVENT_FILTERS = ["queue", "type", "id", "kind"] as const;

/** A page that is not compacted. */
export type EventPage = Extract<FeedPage, { kind: "events" }>;

/** How many follow the feed of a broker. */
const followers = new WeakMap<Broker, number>();

/** `after` as a caller writes it. @throws TqError */
export function parsePosition(text: string, field: string): FeedPosition {
  const [, index, ordinal] = /^(\d{1,15})(?:\.(\d{1,10}))?$/.exec(text) ?? [];
  if (index === undefined) {
    throw invalid(field, `${shown(text)} is no position such as 1234.5 or 1234`);
  }
  const within = ordinal === undefined ? ENTRY_END : Math.min(Number(ordinal), ENTRY_END);
  return { index: Number(index), ordinal: within };
}

export function formatPosition({ index, ordinal }: FeedPosition): string {
  return ordinal === ENTRY_END ? String(index) : `${index}.${ordinal}`;
}

/** `queue`, `type`, `id` and `kind` (one or several with commas between them). @throws TqError */
export function parseEventFilter(fields: Fields): FeedFilter {
  const id = fields.string("id");
  const kinds = fields.string("kind")?.split(",");
  if (kinds !== undefined && kinds.length > EVENT_KINDS_MAX) {
    throw invalid("kind", `at most ${EVENT_KINDS_MAX} kinds can be asked for`);
  }
  return {
    queue: fields.string("queue"),
    type: fields.string("type"),
    id: id === undefined ? undefined : idToFind(id),
    kinds: kinds?.map(parseKind),
  };
}

export function eventToJson(event: FeedEvent): EventJson {
  return {
    position: formatPosition(event),
    at: formatDateTime(event.at),
    id: formatTaskId(event.id),
    kind: event.kind,
    queue: event.queue,
    type: event.type,
    state: event.state,
    attempt: event.attempt,
  };
}

/**
 * Resolves when the log reaches as far as this position; this node may only lag. One beyond the end
 * of the log, for which nobody has got it from this cluster, would be waited for without end.
 * @throws TqError `invalid_request`; `no_leader` when nobody knows where the log ends
 */
export async function reached(
  broker: Broker,
  position: FeedPosition | undefined,
  field: string,
): Promise<void> {
  if (position === undefined || position.index <= broker.applied) return;
  const end = await broker.readBarrier("linearizable");
  if (position.index <= end) return;
  const why = `${formatPosition(position)} is beyond the end of the log, which is at ${end}`;
  throw invalid(field, `${why}; is it from another cluster?`);
}

/** One look at the feed. @throws TqError `position_compacted` */
export function readEvents(
  broker: Broker,
  after: FeedPosition | undefined,
  limit: number,
  filter: FeedFilter,
): EventPage {
  const page = broker.feed().read(after, limit, filter);
  if (page.kind === "events") return page;
  throw new TqError(
    "position_compacted",
    `this node keeps no events from before ${formatPosition(page.oldest)}: list the tasks, and ` +
      "go on with after=<X-TQ-Applied-Index of that answer>",
    { field: "after" },
  );
}

/** Resolves with a page that has events; with an empty one after `waitMs`, or when told to end. */
export async function nextEvents(
  broker: Broker,
  after: FeedPosition | undefined,
  wanted: { readonly limit: number; readonly filter: FeedFilter },
  { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<EventPage> {
  const until = performance.now() + waitMs;
  let position = after;
  for (;;) {
    const page = readEvents(broker, position, wanted.limit, wanted.filter);
    const left = until - performance.now();
    if (page.events.length > 0 || left <= 0 || signal.aborted) return page;
    position = page.next;
    if (!page.more) await applied(broker, left, signal);
    // Also when there is more: others have their turn in between.
    await pause(Math.min(left, page.more ? 0 : EVENTS_PAUSE_MS));
  }
}

/** The verb `events`: what came after a position, or what comes within `wait_ms`. */
export async function pollEvents(
  broker: Broker,
  params: Fields,
  signal: AbortSignal,
): Promise<Answer<EventsJson>> {
  params.refuseUnknown(["after", "limit", "wait_ms", ...EVENT_FILTERS]);
  const text = params.string("after");
  const after = text === undefined ? undefined : parsePosition(text, "after");
  const limit = params.integer("limit") ?? EVENTS_LIMIT_DEFAULT;
  if (!(limit >= 1 && limit <= EVENTS_LIMIT_MAX)) {
    throw invalid("limit", `1 to ${EVENTS_LIMIT_MAX} are allowed`);
  }
  const waitMs = params.integer("wait_ms") ?? 0;
  if (!(waitMs >= 0 && waitMs <= WAIT_MS_MAX)) {
    throw invalid("wait_ms", `0 to ${WAIT_MS_MAX} are allowed`);
  }
  const filter = parseEventFilter(params);
  await reached(broker, after, "after");
  const leave = follow(broker);
  try {
    const page = await nextEvents(broker, after, { limit, filter }, { waitMs, signal });
    const value = { events: page.events.map(eventToJson), next: formatPosition(page.next) };
    return { value, index: broker.applied };
  } finally {
    leave();
  }
}

/** Counts one more follower until the function that is returned is called. @throws TqError */
export function follow(broker: Broker): () => void {
  const count = followers.get(broker) ?? 0;
  if (count >= EVENT_STREAMS_MAX) {
    const why = `${EVENT_STREAMS_MAX} follow the events of this node already; try another node`;
    throw new TqError("overloaded", why);
  }
  followers.set(broker, count + 1);
  return () => followers.set(broker, followers.get(broker)! - 1);
}

/** Resolves when this node has applied something, after `timeoutMs`, or when told to end. */
function applied(broker: Broker, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      unsubscribe();
      signal.removeEventListener("abort", settle);
      resolve();
    };
    const timer = setTimeout(settle, timeoutMs);
    const unsubscribe = broker.onApplied(settle);
    signal.addEventListener("abort", settle);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function parseKind(text: string): FeedKind {
  const kind = FEED_KINDS.find((known) => known === text);
  if (kind !== undefined) return kind;
  throw invalid("kind", `there is no kind ${shown(text)}.${didYouMean(text, FEED_KINDS)}`);
}
