/**
 * Who asks, and may they: settled by one hook for all routes, from the verb that each route names
 * beside its path, before a byte of the body is read. A route that names none cannot be served, so
 * that none is open by oversight.
 */
import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import { type Access, type Caller, identifyByHeaders } from "../operations/access.ts";
import type { Verb } from "../operations/permissions.ts";

/** What a route is about: verbs, all of which must be permitted; or anybody may ask. */
export type RouteVerb = Verb | readonly Verb[] | VerbOfBody | "anybody";

/** For a route of which only the body tells the verb. Throws `TqError` when it does not. */
type VerbOfBody = (request: FastifyRequest) => Verb;

declare module "fastify" {
  interface FastifyContextConfig {
    verb?: RouteVerb;
  }
  interface FastifyRequest {
    /** Whoever has shown a valid key, or anybody where none is asked for. */
    caller: Caller | undefined;
    /** What the request is about, once it was found that the caller may do it. */
    permitted: readonly Verb[] | undefined;
  }
}

/** Must be called before the first route is added. */
export function authenticate(app: FastifyInstance, access: Access): void {
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  app.addHook("onReady", async () => {
    const mute = routes.find(({ config }) => config?.verb === undefined);
    if (mute !== undefined) throw new Error(`the route ${mute.url} names no verb in its config`);
  });
  app.decorateRequest("caller", undefined);
  app.decorateRequest("permitted", undefined);
  app.addHook("onRequest", async (request) => {
    const { verb } = request.routeOptions.config;
    if (verb === "anybody") return;
    request.caller = await identifyByHeaders(access, request.headers, addressOf(request));
    if (typeof verb !== "function") permit(request, [verb!].flat());
  });
  app.addHook("preHandler", async (request) => {
    const { verb } = request.routeOptions.config;
    if (typeof verb === "function") permit(request, [verb(request)]);
  });
}

function permit(request: FastifyRequest, verbs: readonly Verb[]): void {
  for (const each of verbs) request.caller!.demand(each);
  request.permitted = verbs;
}

/** Of the connection: what a header says of who is behind it anybody can say. */
export function addressOf({ socket }: FastifyRequest): string {
  return socket.remoteAddress ?? "";
}
