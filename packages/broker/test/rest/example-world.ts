/** A broker in which everything exists that the examples of the document are about. */
import { parseTaskId } from "task-queue-protocol";
import type { Metrics } from "../../src/observe/metrics.ts";
import { EXAMPLES } from "../../src/rest/openapi/examples.ts";
import { Harness } from "./harness.ts";

const METRICS: Metrics = {
  contentType: "text/plain; version=0.0.4; charset=utf-8",
  render: async () => "tq_build_info 1\n",
  close() {},
};

export async function exampleWorld(): Promise<Harness> {
  const h = new Harness({ metrics: METRICS });
  h.broker.machine.raise(3);
  const { task, completed, dead, child, queue, job, emptyQueue } = EXAMPLES;
  const made = await h.post("/tasks/batch", {
    atomic: true,
    tasks: [
      { id: task, type: "send_email", queue, tags: ["welcome"], payload: { to: "ada" } },
      { id: completed, type: "resize" },
      { id: dead, type: "charge" },
      { id: child, type: "send_receipt", depends_on: [task] },
    ],
  });
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  h.broker.complete(parseTaskId(completed)!, h.broker.lease("resize"), { width: 640 });
  h.broker.fail(parseTaskId(dead)!, h.broker.lease("charge"), "card 4711 was refused");
  await h.send("PUT", `/queues/${queue}`, { weight: 2 });
  await h.send("PUT", `/queues/${emptyQueue}`, { weight: 3 });
  await h.post("/jobs", { id: job, kind: "retry" });
  return h;
}
