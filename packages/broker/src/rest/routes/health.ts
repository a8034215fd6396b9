/**
 * What load balancers and supervisors ask. `/healthz`: the process answers. `/health` and
 * `/readyz`: this node serves reads and writes. `/leader`: and it leads. Never a barrier, never a
 * wait. A disk that is nearly full makes no node unhealthy: reads and work under way go on, and
 * whoever sent requests elsewhere for it would only fill the others sooner. They are open to
 * anybody, so where keys are asked for they tell nothing of the cluster.
 */
import type { FastifyInstance, FastifyReply } from "fastify";
import { OPEN_ACCESS } from "../../operations/access.ts";
import type { NodeStatus } from "../../operations/broker.ts";
import type { RestContext } from "../context.ts";

/** Load balancers probe with any of these. */
const PROBES = ["GET", "OPTIONS"];

export function healthRoutes(app: FastifyInstance, context: RestContext): void {
  const { broker, warning, access } = context;
  const probe = (url: string, answer: (status: NodeStatus, reply: FastifyReply) => object) => {
    app.route({
      method: PROBES,
      url,
      config: { verb: "anybody" },
      handler: async (_request, reply) => answer(broker.status(), reply),
    });
  };

  probe("/health", (status, reply) => {
    const reason = reasonAgainst(status);
    const rest =
      access !== OPEN_ACCESS
        ? { role: status.role }
        : {
            role: status.role,
            node_id: status.nodeId,
            leader_id: status.leader?.id ?? null,
            term: status.term,
            applied_index: status.applied,
          };
    if (reason === undefined) return { status: "healthy", warning: warning?.(), ...rest };
    reply.code(503);
    return { status: "unhealthy", reason, ...rest };
  });

  probe("/healthz", () => ({ status: "ok" }));

  probe("/readyz", (status, reply) => {
    const reason = reasonAgainst(status);
    if (reason === undefined) return { status: "ready" };
    reply.code(503);
    return { status: "not_ready", reason };
  });

  probe("/leader", (status, reply) => {
    const leads = status.role === "leader" && reasonAgainst(status) === undefined;
    if (!leads) reply.code(503);
    return { leader: leads };
  });
}

/** Why this node should get no requests; undefined when it should. */
function reasonAgainst(status: NodeStatus): string | undefined {
  if (status.draining) return "draining: this node is about to stop";
  return status.ready ? undefined : status.reason;
}
