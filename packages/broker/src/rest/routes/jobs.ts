/** Changes of many tasks at once, and the short ways to the usual ones. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  cancelJob,
  getJob,
  listJobs,
  purgeQueue,
  startDeadJob,
  startJob,
  verbOfJob,
} from "../../operations/jobs.ts";
import { Fields } from "../../operations/read-fields.ts";
import type { RestContext } from "../context.ts";
import { optionalBody, pathParameter, queryOf, readOf, send } from "../request-parts.ts";

const ACCEPTED = 202;

export function jobRoutes(app: FastifyInstance, { broker }: RestContext): void {
  app.post(
    "/jobs",
    { config: { verb: (request) => verbOfJob(bodyOf(request)) } },
    async (request, reply) => {
      const answer = await startJob(broker, bodyOf(request));
      reply.code(ACCEPTED).header("location", `/api/v1/jobs/${answer.value.id}`);
      return send(reply, answer);
    },
  );

  app.get("/jobs", { config: { verb: "jobs" } }, async (request, reply) => {
    return send(reply, await listJobs(broker, readOf(request).read));
  });

  app.get("/jobs/:id", { config: { verb: "job" } }, async (request, reply) => {
    return send(reply, await getJob(broker, pathParameter(request, "id"), readOf(request).read));
  });

  app.delete("/jobs/:id", { config: { verb: "cancel_job" } }, async (request, reply) => {
    queryOf(request, []);
    optionalBody(request, []);
    return send(reply, await cancelJob(broker, pathParameter(request, "id")));
  });

  app.post(
    "/queues/:name/purge",
    { config: { verb: ["cancel_many", "delete_many"] } },
    async (request, reply) => {
      const jobs = await purgeQueue(broker, pathParameter(request, "name"), bodyOf(request));
      reply.code(ACCEPTED);
      return send(reply, jobs);
    },
  );

  for (const [path, kind] of [
    ["/dlq/retry", "retry"],
    ["/dlq/purge", "delete"],
  ] as const) {
    app.post(path, { config: { verb: `${kind}_many` } }, async (request, reply) => {
      const answer = await startDeadJob(broker, kind, bodyOf(request));
      reply.code(ACCEPTED).header("location", `/api/v1/jobs/${answer.value.id}`);
      return send(reply, answer);
    });
  }
}

function bodyOf(request: FastifyRequest): Fields {
  queryOf(request, []);
  return Fields.of(request.body ?? {}, "body");
}
