/**
 * A list of tasks as one stream, a task a line (JSON Lines). A page is read when the reader has
 * taken the one before, so that a slow reader costs one page of memory; who is slower than the time
 * that a stream may take is told where to go on, and who takes nothing at all is cut off.
 */
import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ListJson } from "task-queue-protocol";
import { TqError } from "task-queue-protocol";
import { invalid, shown } from "../operations/invalid.ts";
import { LIST_LIMIT_MAX } from "../operations/limits.ts";
import { listTasks } from "../operations/list.ts";
import { decodeCursor } from "../operations/list-cursor.ts";
import type { ListQuery } from "../operations/list-query.ts";
import type { RestContext } from "./context.ts";
import { toJsonText } from "./exact-reply.ts";
import { LINES_MS_MAX, LINES_STALL_MS_MAX, LINES_STREAMS_MAX } from "./limits.ts";
import { headerOf, send } from "./request-parts.ts";

const JSONL = "application/jsonl";

/** Streams of each application that are under way. */
const underWay = new WeakMap<RestContext, number>();

/** Whether the caller wants lines: `format`, else `Accept`. */
export function wantsLines(request: FastifyRequest, format: unknown): boolean {
  if (format === "json" || format === "jsonl") return format === "jsonl";
  if (format !== undefined) throw invalid("format", `${shown(format)} is neither json nor jsonl`);
  const accept = headerOf(request, "accept") ?? "";
  return accept.split(/[,;]/).some((type) => type.trim() === JSONL);
}

/** Resolves when the first page is there: what is wrong is said with a status of its own. */
export async function sendLines(
  context: RestContext,
  reply: FastifyReply,
  asked: ListQuery,
): Promise<Readable> {
  const leave = enter(context);
  const until = performance.now() + LINES_MS_MAX;
  try {
    const query = { ...asked, limit: LIST_LIMIT_MAX };
    const first = await listTasks(context.broker, query);
    const stream = Readable.from(linesOf(context, query, first.value, until), {
      objectMode: false,
    });
    const cut = setTimeout(() => stream.destroy(), LINES_MS_MAX + LINES_STALL_MS_MAX);
    stream.once("close", () => {
      clearTimeout(cut);
      leave();
    });
    reply.header("content-type", `${JSONL}; charset=utf-8`);
    return send(reply, { value: stream, index: first.index });
  } catch (error) {
    leave();
    throw error;
  }
}

async function* linesOf(
  { broker, closing }: RestContext,
  query: ListQuery,
  first: ListJson,
  until: number,
): AsyncGenerator<string> {
  let page = first;
  for (;;) {
    for (const task of page.tasks) yield `${toJsonText(task)}\n`;
    const { next_cursor } = page;
    if (next_cursor === undefined) return;
    if (closing.aborted || performance.now() >= until) {
      yield `${JSON.stringify({ next_cursor })}\n`;
      return;
    }
    // This node knows at least as much as when the first page was read.
    const next = { cursor: decodeCursor(next_cursor), read: { consistency: "stale" } } as const;
    page = (await listTasks(broker, { ...query, ...next })).value;
  }
}

function enter(context: RestContext): () => void {
  const count = underWay.get(context) ?? 0;
  if (count >= LINES_STREAMS_MAX) {
    const why = `${LINES_STREAMS_MAX} lists are streamed by this node already; try another node`;
    throw new TqError("overloaded", why);
  }
  underWay.set(context, count + 1);
  return () => underWay.set(context, underWay.get(context)! - 1);
}
