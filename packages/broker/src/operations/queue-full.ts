/**
 * Which queue is full, and which setting bounds it: the reply that all members compute alike names
 * neither, so the door adds it for whoever reads the refusal.
 */
import { TqError } from "task-queue-protocol";
import type { Broker } from "./broker.ts";

/** The same refusal, in more words if it is that of a full queue. */
export function nameFullQueue(
  error: TqError,
  broker: Pick<Broker, "depthLimit">,
  queue: string,
  { queueDepthThreshold }: { readonly queueDepthThreshold: number },
): TqError {
  if (error.code !== "queue_full") return error;
  const own = broker.depthLimit(queue);
  // The leader's threshold is in force, and should be this node's too.
  const bound = own > 0 ? `${own}, its depth_limit` : thresholdText(queueDepthThreshold);
  const text = `queue "${queue}" holds as many unfinished tasks as it may (${bound}); try later`;
  const { field } = error;
  const message = field === undefined ? text : `${field}: ${text}`;
  return new TqError(error.code, message, { field, cause: error });
}

function thresholdText(threshold: number): string {
  const key = "broker.queue_depth_threshold";
  return threshold > 0 ? `${threshold}, ${key}` : `${key} of the leader`;
}
