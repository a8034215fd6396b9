/**
 * An answered request as it is counted: by the pattern of its route and never by its path. To be
 * called when the answer has ended, whoever has written it.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { AnsweredRequest } from "../observe/api-figures.ts";
import { PREFIX } from "./prefix.ts";
import { isProbe } from "./probes.ts";

/** Both prefixes lead to the same route. */
export function answered(
  { method, is404, routeOptions }: FastifyRequest,
  reply: FastifyReply,
): AnsweredRequest {
  const { url, config } = routeOptions;
  const { statusCode, elapsedTime } = reply;
  const isStream = config.verb === "events" || isJsonLines(reply);
  return {
    route: is404 || url === undefined ? undefined : withoutPrefix(url),
    method,
    code: String(statusCode),
    // A follower says 503 to each who asks whether it leads: that is an answer, and no failure.
    isError: statusCode >= 500 && !(statusCode === 503 && isProbe(url)),
    ms: isStream ? undefined : elapsedTime,
  };
}

/** Takes as long as its reader wants, like the events. */
function isJsonLines(reply: FastifyReply): boolean {
  return String(reply.getHeader("content-type")).startsWith("application/jsonl");
}

function withoutPrefix(url: string): string {
  return url.startsWith(`${PREFIX}/`) ? url.slice(PREFIX.length) : url;
}
