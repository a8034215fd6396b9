/**
 * Tells the audit log of administrative requests, before their answers leave. Those that were
 * refused for who asked are noted where that is found.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  type Audit,
  type Deed,
  detailOf,
  isAudited,
  targetOf,
  WITHDRAWN,
} from "../operations/audit.ts";
import { APPLIED_INDEX, addressOf } from "./request-parts.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The code that it is refused with; undefined: it is not. */
    refusedWith: string | undefined;
  }
}

/** To be called before any other hook sees the answer: they add an index where there is none. */
export function auditRequests(app: FastifyInstance, audit: Audit): void {
  app.decorateRequest("refusedWith", undefined);
  app.addHook("onSend", (request, reply, _payload, done) => {
    const deed = deedOf(request, reply);
    // A promise for each of the many that are none of its business is what this is without.
    if (deed === undefined) done();
    else audit.action(deed).then(() => done(), done);
  });
}

/** Undefined: it is none that the log is told of. */
function deedOf(request: FastifyRequest, reply: FastifyReply): Deed | undefined {
  const { permitted, caller, body, refusedWith = "ok" } = request;
  if (permitted === undefined || caller === undefined || WITHDRAWN.has(refusedWith)) return;
  if (!permitted.some((verb) => isAudited(verb, body))) return;
  const index = reply.getHeader(APPLIED_INDEX);
  const verb = permitted.join("+");
  const details = [wayOf(request), detailOf(verb, body)];
  return {
    who: caller.name,
    keyId: caller.keyId,
    from: addressOf(request),
    door: "rest",
    verb,
    target: targetIn(request, reply),
    detail: details.filter((each) => each !== undefined && each !== verb).join(" ") || undefined,
    outcome: refusedWith,
    index: refusedWith === "ok" && index !== undefined ? Number(index) : undefined,
  };
}

/** By the path; a job that was started is where the answer says. */
function targetIn({ params, permitted }: FastifyRequest, reply: FastifyReply): string {
  const inPath = targetOf(permitted?.[0] ?? "", params);
  return inPath ?? String(reply.getHeader("location") ?? "").replace(/^.*\//, "");
}

/** `pause` of `/queues/:name/pause`: the verb says less. */
function wayOf({ routeOptions }: FastifyRequest): string | undefined {
  return /:\w+\/(\w+)$/.exec(routeOptions.url ?? "")?.[1];
}
