/** Workers, the cluster and figures: what is read to see how things stand. */
import type { FastifyInstance } from "fastify";
import { clusterStatus } from "../../operations/cluster.ts";
import { compactState } from "../../operations/compact.ts";
import { barrier } from "../../operations/read-options.ts";
import { readStats } from "../../operations/stats.ts";
import { listWorkers } from "../../operations/workers.ts";
import type { RestContext } from "../context.ts";
import { readOf, send } from "../request-parts.ts";

export function overviewRoutes(app: FastifyInstance, { broker }: RestContext): void {
  app.get("/workers", { config: { verb: "workers" } }, async (request, reply) => {
    return send(reply, await listWorkers(broker, readOf(request).read));
  });

  app.get("/stats", { config: { verb: "stats" } }, async (request, reply) => {
    return send(reply, await readStats(broker, readOf(request).read));
  });

  app.post("/compact", { config: { verb: "compact" } }, async (request, reply) => {
    readOf(request);
    return send(reply, await compactState(broker));
  });

  app.get("/cluster", { config: { verb: "cluster" } }, async (request, reply) => {
    const { fields, read } = readOf(request);
    // Asked most when there is no leader: waits for one only when the caller says so.
    if (fields.has("consistency") || read.minIndex !== undefined) await barrier(broker, read);
    return send(reply, clusterStatus(broker));
  });
}
