/** A broker in which everything exists that the examples of the document are about. */
import { parseTaskId } from "task-queue-protocol";
import type { Metrics } from "../../src/observe/metrics.ts";
import type { Caller } from "../../src/operations/access.ts";
import { EXAMPLES } from "../../src/rest/openapi/examples.ts";
import { Harness } from "./harness.ts";

const METRICS: Metrics = {
  contentType: "text/plain; version=0.0.4; charset=utf-8",
  render: async () => "tq_build_info 1\n",
  close() {},
};

/** Nobody without a key may make one. */
const SOMEBODY: Caller = { name: "test", demand() {}, spend() {} };

export async function exampleWorld(): Promise<Harness> {
  const h = new Harness({ metrics: METRICS });
  h.app.addHook("preHandler", async (request) => {
    Object.assign(request, { caller: SOMEBODY });
  });
  h.broker.raise(4);
  const { task, completed, dead, child, running, key, queue, job, emptyQueue } = EXAMPLES;
  const made = await h.post("/tasks/batch", {
    atomic: true,
    tasks: [
      { id: task, type: "send_email", queue, tags: ["welcome"], payload: { to: "ada" } },
      { id: completed, type: "resize" },
      { id: dead, type: "charge" },
      { id: child, type: "send_receipt", depends_on: [task] },
      { id: running, type: "stuck" },
    ],
  });
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  h.broker.complete(parseTaskId(completed)!, h.broker.lease("resize"), { width: 640 });
  h.broker.fail(parseTaskId(dead)!, h.broker.lease("charge"), "card 4711 was refused");
  h.broker.lease("stuck");
  h.broker.apply({
    type: "createKey",
    id: Uint8Array.from(Buffer.from(key, "hex")),
    name: "old",
    verifier: new Uint8Array(32),
    permissions: ["admin"],
    createdBy: "test",
    expiresAt: 0,
  });
  await h.send("PUT", `/queues/${queue}`, { weight: 2 });
  await h.send("PUT", `/queues/${emptyQueue}`, { weight: 3 });
  await h.post("/jobs", { id: job, kind: "retry" });
  return h;
}
