/**
 * Who asks, and may they: settled by one hook for all routes, from the verb that each route names
 * beside its path, before a byte of the body is read. A route that names none cannot be served, so
 * that none is open by oversight.
 */
import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import type { Access, Caller } from "../operations/access.ts";
import type { Verb } from "../operations/permissions.ts";
import { checkSignedBodies, identifyRequest } from "./signed.ts";

/** What a route is about: verbs, all of which must be permitted; or anybody may ask. */
export type RouteVerb = Verb | readonly Verb[] | VerbOfBody | "anybody";

/** For a route of which only the body tells the verb. Throws `TqError` when it does not. */
type VerbOfBody = (request: FastifyRequest) => Verb;

declare module "fastify" {
  interface FastifyContextConfig {
    verb?: RouteVerb;
    /** Against the rate of a key: a request for each of its tasks. */
    counted?: "by task";
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
    request.caller = await identifyRequest(access, request);
    request.caller.spend(1);
    if (typeof verb !== "function") permit(request, [verb!].flat());
  });
  checkSignedBodies(app, access);
  app.addHook("preHandler", async (request) => {
    const { verb, counted } = request.routeOptions.config;
    if (counted !== undefined) request.caller!.spend(tasksIn(request.body), 1);
    if (typeof verb === "function") permit(request, [verb(request)]);
    // The body may have taken its time, and the key have ended meanwhile.
    else if (request.permitted !== undefined) permit(request, request.permitted);
    for (const each of request.permitted ?? []) await request.caller!.confirm?.(each);
  });
}

function permit(request: FastifyRequest, verbs: readonly Verb[]): void {
  for (const each of verbs) request.caller!.demand(each);
  request.permitted = verbs;
}

/** What is no batch is refused where it is read. */
function tasksIn(body: unknown): number {
  const { tasks } = (body ?? {}) as { readonly tasks?: unknown };
  return Array.isArray(tasks) ? Math.max(1, tasks.length) : 1;
}
