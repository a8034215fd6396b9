/**
 * Who asks, and may they: settled by one hook for all routes, from the verb that each route names
 * beside its path, before a byte of the body is read. A route that names none cannot be served, so
 * that none is open by oversight.
 */
import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import { type Access, type Caller, keyOfHeaders } from "../operations/access.ts";
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
  app.addHook("onRequest", async (request) => {
    const { verb } = request.routeOptions.config;
    if (verb === "anybody") return;
    const caller = await access.identify(keyOfHeaders(request.headers), addressOf(request));
    request.caller = caller;
    if (typeof verb !== "function") for (const each of [verb!].flat()) caller.demand(each);
  });
  app.addHook("preHandler", async (request) => {
    const { verb } = request.routeOptions.config;
    if (typeof verb === "function") request.caller!.demand(verb(request));
  });
}

/** Of the connection: what a header says of who is behind it anybody can say. */
function addressOf({ socket }: FastifyRequest): string {
  return socket.remoteAddress ?? "";
}
