/** Worker sessions as callers see them. Every node knows them, because they are in the log. */
import type { WorkerJson } from "task-queue-protocol";
import type { SessionView } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import { type Answer, barrier, type ReadOptions } from "./read-options.ts";
import { formatDateTime } from "./rfc3339.ts";

export async function listWorkers(
  broker: Broker,
  read: ReadOptions,
): Promise<Answer<{ workers: WorkerJson[] }>> {
  const index = await barrier(broker, read);
  const views = [...broker.sessions()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { value: { workers: views.map(workerToJson) }, index };
}

function workerToJson(view: SessionView): WorkerJson {
  return {
    id: view.id,
    name: view.name,
    state: stateOf(view),
    queues: [...view.queues],
    types: [...view.types],
    labels: labelsToJson(view.labels),
    concurrency: view.concurrency,
    running: view.running,
    last_heartbeat_at: formatDateTime(view.renewedAt),
    version: view.version,
  };
}

/** `lapsed`: it was not heard from in time, and is known only for leases that it had extended. */
function stateOf(view: SessionView): "idle" | "busy" | "lapsed" {
  if (view.lapsed) return "lapsed";
  return view.running > 0 ? "busy" : "idle";
}

function labelsToJson(labels: readonly string[]): Record<string, string> {
  const pairs = labels.map((label) => {
    const at = label.indexOf("=");
    return at < 0 ? [label, ""] : [label.slice(0, at), label.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}
