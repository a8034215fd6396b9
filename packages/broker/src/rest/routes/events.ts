/**
 * `GET /events`: the feed of this node as server-sent events, from a position on. The stream is
 * pulled: the next events are read when the caller has taken the last ones, so that a slow reader
 * costs one page of memory and no more. Who has lagged so far behind that its events are gone, or
 * takes nothing for too long, gets a last event `lagged` and can begin again with `Last-Event-ID`.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TqError } from "task-queue-protocol";
import type { Caller } from "../../operations/access.ts";
import type { Broker } from "../../operations/broker.ts";
import {
  EVENT_FILTERS,
  type EventPage,
  eventToJson,
  follow,
  formatPosition,
  nextEvents,
  parseEventFilter,
  parsePosition,
  reached,
  readEvents,
} from "../../operations/events.ts";
import type { FeedFilter, FeedPosition } from "../../queue/index.ts";
import { answered } from "../answered.ts";
import type { RestContext } from "../context.ts";
import {
  EVENT_KEEP_ALIVE_MS,
  EVENT_LAST_WORD_MS,
  EVENT_STALL_MS_MAX,
  EVENTS_PER_WRITE,
} from "../limits.ts";
import { REQUEST_ID } from "../request-id.ts";
import { APPLIED_INDEX, headerOf, queryOf } from "../request-parts.ts";

interface Stream {
  readonly broker: Broker;
  readonly filter: FeedFilter;
  readonly caller: Caller;
  readonly raw: ServerResponse;
  /** Ends it: the caller has gone, or the server closes. */
  readonly over: AbortSignal;
}

export function eventRoutes(app: FastifyInstance, context: RestContext): void {
  const { broker, closing, countRequest, logger } = context;
  app.get(
    "/events",
    { exposeHeadRoute: false, config: { verb: "events" } },
    async (request, reply) => {
      const fields = queryOf(request, ["after", ...EVENT_FILTERS]);
      const filter = parseEventFilter(fields);
      const { after, field } = positionOf(request, fields.string("after"));
      await reached(broker, after, field);
      // What is wrong with the position is said while there still is a status to say it with.
      const first = readEvents(broker, after, EVENTS_PER_WRITE, filter);
      const leave = follow(broker);
      const over = new AbortController();
      const end = () => over.abort();
      if (closing.aborted) end();
      closing.addEventListener("abort", end);
      reply.raw.once("close", end);
      begin(broker, request, reply);
      // The framework has no word of the end of an answer that it does not write itself.
      reply.raw.once("close", () => countRequest?.(answered(request, reply)));
      // A stream that breaks off is its reader's business, who comes again; `close` follows.
      reply.raw.on("error", (error) => logger.info({ err: error }, "an event stream broke off"));
      try {
        const caller = request.caller!;
        await pump({ broker, filter, caller, raw: reply.raw, over: over.signal }, first);
      } finally {
        closing.removeEventListener("abort", end);
        leave();
      }
    },
  );
}

/** `Last-Event-ID` is what a browser sends by itself when it comes again: it is the newer one. */
function positionOf(
  request: FastifyRequest,
  parameter: string | undefined,
): { readonly after: FeedPosition | undefined; readonly field: string } {
  const last = headerOf(request, "last-event-id");
  const field = last === undefined || last === "" ? "after" : "Last-Event-ID";
  const text = field === "after" ? parameter : last;
  return { after: text === undefined ? undefined : parsePosition(text, field), field };
}

function begin(broker: Broker, request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "x-tq-node": broker.nodeId,
    [REQUEST_ID]: request.id,
    [APPLIED_INDEX]: broker.applied,
  });
}

async function pump(stream: Stream, first: EventPage): Promise<void> {
  const { broker, filter, caller, raw, over } = stream;
  const wanted = { limit: EVENTS_PER_WRITE, filter };
  const waiting = { waitMs: EVENT_KEEP_ALIVE_MS, signal: over };
  // At once, also when nothing has happened: the reader learns where it stands.
  let page = first;
  for (;;) {
    if (!(await write(stream, pageToText(page)))) return;
    if (over.aborted) break;
    try {
      page = await nextEvents(broker, page.next, wanted, waiting);
      // Its key may have ended while it waited.
      caller.demand("events");
    } catch (error) {
      if (!(error instanceof TqError)) throw error;
      lastWord(raw, error.code, error.message);
      return;
    }
    if (over.aborted) break;
  }
  raw.end();
}

/** An `id` without data is no event to a browser, but where it goes on from. */
function pageToText({ events, next }: EventPage): string {
  let text = "";
  for (const event of events) {
    const json = eventToJson(event);
    text += `id: ${json.position}\nevent: ${json.kind}\ndata: ${JSON.stringify(json)}\n\n`;
  }
  return `${text}id: ${formatPosition(next)}\n: here\n\n`;
}

/** False: the stream is over. */
async function write({ raw, over }: Stream, text: string): Promise<boolean> {
  if (raw.destroyed) return false;
  if (raw.write(text)) return true;
  if (await drained(raw, over)) return true;
  if (over.aborted) raw.end();
  else lastWord(raw, "overloaded", `nothing was taken for ${EVENT_STALL_MS_MAX} ms`);
  return false;
}

/** True once the reader has taken what was written; false when it is over, or takes too long. */
function drained(raw: ServerResponse, over: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isDrained: boolean): void => {
      clearTimeout(timer);
      raw.off("drain", onDrain);
      over.removeEventListener("abort", onEnd);
      resolve(isDrained);
    };
    const onDrain = () => settle(true);
    const onEnd = () => settle(false);
    const timer = setTimeout(onEnd, EVENT_STALL_MS_MAX);
    raw.once("drain", onDrain);
    over.addEventListener("abort", onEnd, { once: true });
  });
}

function lastWord(raw: ServerResponse, code: string, message: string): void {
  raw.end(`event: lagged\ndata: ${JSON.stringify({ code, message })}\n\n`);
  setTimeout(() => raw.destroy(), EVENT_LAST_WORD_MS).unref();
}
