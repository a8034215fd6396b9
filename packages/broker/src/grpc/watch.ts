/**
 * `WatchTasks`: the feed of this node from a position on. It is pulled: the next events are read
 * when the caller has taken the last ones, so that a slow reader costs a few messages of memory and
 * no more. Whose events are gone by then is told so, and can begin anew.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import {
  type EventPage,
  eventToJson,
  follow,
  formatPosition,
  nextEvents,
  parseEventFilter,
  parsePosition,
  reached,
  readEvents,
} from "../operations/events.ts";
import { Fields } from "../operations/read-fields.ts";
import type { GrpcContext } from "./context.ts";
import { visitOf } from "./gate.ts";
import { EVENTS_PER_MESSAGE, WATCH_KEEP_ALIVE_MS } from "./limits.ts";
import type { WatchTasksRequest } from "./service.ts";
import { stopping, toStatus } from "./status.ts";
import { toFilterInput } from "./to-input.ts";
import { toEvent } from "./to-message.ts";
import { textOf } from "./values.ts";
import { whileOpen } from "./while-open.ts";
import { write } from "./write.ts";

type WatchCall = ServerWritableStream<WatchTasksRequest, object>;

export function watchTasks(context: GrpcContext): (call: WatchCall) => void {
  return (call) => {
    const run = async (over: AbortSignal): Promise<void> => {
      try {
        await pump(context, call, over);
        if (context.closing.aborted) throw stopping();
        call.end();
      } catch (error) {
        call.emit("error", toStatus(error, call.getPath(), context.logger));
      }
    };
    void whileOpen(call, context.closing, run);
  };
}

async function pump({ broker }: GrpcContext, call: WatchCall, over: AbortSignal): Promise<void> {
  const { demand } = visitOf(call);
  const filter = parseEventFilter(Fields.of(toFilterInput(call.request), "request"));
  const text = textOf(call.request.after);
  const after = text === undefined ? undefined : parsePosition(text, "after");
  await reached(broker, after, "after");
  const wanted = { limit: EVENTS_PER_MESSAGE, filter };
  const waiting = { waitMs: WATCH_KEEP_ALIVE_MS, signal: over };
  let page = readEvents(broker, after, EVENTS_PER_MESSAGE, filter);
  const leave = follow(broker);
  try {
    // At once, also when nothing has happened: the reader learns where it stands.
    while (!over.aborted) {
      demand();
      await write(call, toMessage(page), over);
      page = await nextEvents(broker, page.next, wanted, waiting);
    }
  } finally {
    leave();
  }
}

function toMessage({ events, next }: EventPage): object {
  const shown = events.map((event) => toEvent(eventToJson(event)));
  return { events: shown, next: formatPosition(next) };
}
