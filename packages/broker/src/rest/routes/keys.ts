/** Access keys that the cluster keeps. */
import type { FastifyInstance } from "fastify";
import { createKey, listKeys, revokeKey } from "../../operations/access-keys.ts";
import { invalid, shown } from "../../operations/invalid.ts";
import { Fields } from "../../operations/read-fields.ts";
import type { RestContext } from "../context.ts";
import { pathParameter, queryOf, readOf, send } from "../request-parts.ts";

const CREATED = 201;

export function keyRoutes(app: FastifyInstance, { broker }: RestContext): void {
  app.post("/keys", { config: { verb: "create_key" } }, async (request, reply) => {
    queryOf(request, []);
    const answer = await createKey(broker, Fields.of(request.body, "body"), request.caller!);
    reply.code(CREATED).header("location", `/api/v1/keys/${answer.value.id}`);
    return send(reply, answer);
  });

  app.get("/keys", { config: { verb: "keys" } }, async (request, reply) => {
    return send(reply, await listKeys(broker, readOf(request).read));
  });

  app.delete("/keys/:id", { config: { verb: "revoke_key" } }, async (request, reply) => {
    const graceMs = lengthOf(queryOf(request, ["grace_ms"]));
    return send(reply, await revokeKey(broker, pathParameter(request, "id"), graceMs));
  });
}

function lengthOf(query: Fields): number | undefined {
  const text = query.string("grace_ms");
  if (text === undefined || /^\d{1,15}$/.test(text))
    return text === undefined ? text : Number(text);
  throw invalid("grace_ms", `${shown(text)} is no whole number of milliseconds`);
}
