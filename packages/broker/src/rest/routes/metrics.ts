/** `GET /metrics`: the same as on the metrics port, for who can reach only this one. */
import type { FastifyInstance } from "fastify";
import type { RestContext } from "../context.ts";

export function metricsRoutes(app: FastifyInstance, { metrics }: RestContext): void {
  if (metrics === undefined) return;
  app.get("/metrics", { config: { verb: "metrics" } }, async (_request, reply) => {
    reply.header("content-type", metrics.contentType);
    return metrics.render();
  });
}
