/** Queues: how they stand, and what an operator says of them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { TqError } from "task-queue-protocol";
import type { Broker } from "../../operations/broker.ts";
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
import { HttpRefusal } from "../problem.ts";
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
    const ifRevision = conditionOf(request);
    const change = () => configureQueue(broker, name, { settings, ifRevision });
    return sendQueue(reply, await ifUnchanged(broker, name, ifRevision, change));
  });

  app.delete("/queues/:name", { config: { verb: "delete_queue" } }, async (request, reply) => {
    queryOf(request, []);
    optionalBody(request, []);
    const name = pathParameter(request, "name");
    const ifRevision = revisionOf(request);
    const index = await ifUnchanged(broker, name, ifRevision, () =>
      deleteQueue(broker, name, ifRevision),
    );
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

/**
 * That somebody else has changed it (412, RFC 9110 section 13) is told apart from what stands
 * against the change itself (409).
 */
async function ifUnchanged<T>(
  broker: Broker,
  name: string,
  ifRevision: number | undefined,
  change: () => Promise<T>,
): Promise<T> {
  try {
    return await change();
  } catch (error) {
    const isConflict = error instanceof TqError && error.code === "state_conflict";
    if (ifRevision === undefined || !isConflict) throw error;
    await broker.readBarrier("linearizable");
    if ((broker.queue(name)?.revision ?? 0) === ifRevision) throw error;
    throw new HttpRefusal(412, "state_conflict", error.message);
  }
}

/** The revision that it must have: of `If-Match`, or none yet with `If-None-Match: *`. */
function conditionOf(request: FastifyRequest): number | undefined {
  const none = headerOf(request, "if-none-match");
  if (none === undefined) return revisionOf(request);
  if (none === "*" && headerOf(request, "if-match") === undefined) return 0;
  throw invalid("If-None-Match", "only * is understood here, and without If-Match");
}

/** `If-Match` with an `ETag` that an answer carried; `*`, or none, is whatever it has. */
function revisionOf(request: FastifyRequest): number | undefined {
  const text = headerOf(request, "if-match");
  if (text === undefined || text === "*") return undefined;
  const revision = /^"(\d{1,15})"$/.exec(text)?.[1];
  if (revision !== undefined) return Number(revision);
  throw invalid("If-Match", `${shown(text)} is no ETag of a queue, such as "3" with its quotes`);
}
