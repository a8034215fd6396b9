/** Queues: how they stand, and what an operator says of them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { invalid, shown } from "../../operations/invalid.ts";
import { parseSettings } from "../../operations/queue-settings.ts";
import {
  configureQueue,
  deleteQueue,
  getQueue,
  listQueues,
  type QueueChange,
  type QueueDetailJson,
} from "../../operations/queues.ts";
import { Fields } from "../../operations/read-fields.ts";
import type { Answer } from "../../operations/read-options.ts";
import type { RestContext } from "../context.ts";
import {
  APPLIED_INDEX,
  headerOf,
  optionalBody,
  pathParameter,
  queryOf,
  readOf,
  send,
} from "../request-parts.ts";

/** What each of the short ways to change a queue comes to. */
const TURNS: Readonly<Record<string, QueueChange>> = {
  pause: { paused: true },
  resume: { paused: false },
  drain: { draining: true },
  undrain: { draining: false },
};

export function queueRoutes(app: FastifyInstance, { broker }: RestContext): void {
  app.get("/queues", { config: { verb: "queues" } }, async (request, reply) => {
    return send(reply, await listQueues(broker, readOf(request).read));
  });

  app.get("/queues/:name", { config: { verb: "queue" } }, async (request, reply) => {
    const name = pathParameter(request, "name");
    return sendQueue(reply, await getQueue(broker, name, readOf(request).read));
  });

  app.put("/queues/:name", { config: { verb: "configure_queue" } }, async (request, reply) => {
    queryOf(request, []);
    const name = pathParameter(request, "name");
    const settings = parseSettings(name, Fields.of(request.body ?? undefined, "body"));
    const ifRevision = revisionOf(request);
    return sendQueue(reply, await configureQueue(broker, name, { settings, ifRevision }));
  });

  app.delete("/queues/:name", { config: { verb: "delete_queue" } }, async (request, reply) => {
    queryOf(request, []);
    optionalBody(request, []);
    const index = await deleteQueue(broker, pathParameter(request, "name"));
    return reply.code(204).header(APPLIED_INDEX, index).send();
  });

  for (const [verb, change] of Object.entries(TURNS)) {
    app.post(
      `/queues/:name/${verb}`,
      { config: { verb: "configure_queue" } },
      async (request, reply) => {
        queryOf(request, []);
        optionalBody(request, []);
        const name = pathParameter(request, "name");
        return sendQueue(reply, await configureQueue(broker, name, change));
      },
    );
  }
}

function sendQueue(reply: FastifyReply, answer: Answer<QueueDetailJson>): QueueDetailJson {
  reply.header("etag", `"${answer.value.revision}"`);
  return send(reply, answer);
}

/** `If-Match` with an `ETag` that an answer carried; `*`, or none, is whatever it has. */
function revisionOf(request: FastifyRequest): number | undefined {
  const text = headerOf(request, "if-match");
  if (text === undefined || text === "*") return undefined;
  const revision = /^"(\d{1,15})"$/.exec(text)?.[1];
  if (revision !== undefined) return Number(revision);
  throw invalid("If-Match", `${shown(text)} is no ETag of a queue, such as "3" with its quotes`);
}
