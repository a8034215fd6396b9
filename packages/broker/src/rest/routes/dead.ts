/** The dead letter queue: tasks that ran out of retries. */
import type { FastifyInstance } from "fastify";
import { ERROR_GROUP_PARAMETERS, listErrorGroups } from "../../operations/error-groups.ts";
import { listDead } from "../../operations/list.ts";
import { LIST_PARAMETERS, parseListQuery } from "../../operations/list-query.ts";
import { deleteDead, retryDead } from "../../operations/tasks.ts";
import type { RestContext } from "../context.ts";
import {
  APPLIED_INDEX,
  minIndexOf,
  optionalBody,
  pathParameter,
  queryOf,
  readOf,
  send,
} from "../request-parts.ts";
import { requestIdOf } from "./tasks.ts";

const PARAMETERS = LIST_PARAMETERS.filter((name) => name !== "status");

export function deadRoutes(app: FastifyInstance, { broker }: RestContext): void {
  app.get("/dlq/failed-tasks", { config: { verb: "list" } }, async (request, reply) => {
    const query = parseListQuery(request.query, minIndexOf(request), PARAMETERS);
    return send(reply, await listDead(broker, query));
  });

  app.get("/dlq/groups", { config: { verb: "error_groups" } }, async (request, reply) => {
    const { fields, read } = readOf(request, ERROR_GROUP_PARAMETERS);
    return send(reply, await listErrorGroups(broker, fields, read));
  });

  app.post("/dlq/failed-tasks/:id/retry", { config: { verb: "retry" } }, async (request, reply) => {
    queryOf(request, []);
    optionalBody(request, []);
    const id = pathParameter(request, "id");
    return send(reply, await retryDead(broker, id, requestIdOf(request)));
  });

  app.delete("/dlq/failed-tasks/:id", { config: { verb: "delete" } }, async (request, reply) => {
    queryOf(request, []);
    optionalBody(request, []);
    const id = pathParameter(request, "id");
    reply.header(APPLIED_INDEX, await deleteDead(broker, id, requestIdOf(request)));
    return reply.code(204).send();
  });
}
