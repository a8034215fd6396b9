/** What is read to see how things stand, and the documentation itself. */

import { EXAMPLES } from "./examples.ts";
import { CONSISTENCY, type Operation, type Operations, ok, READ_HEADERS } from "./operation.ts";
import { ref, type Schema, text, uuid } from "./schema.ts";

function overview(id: string, summary: string, schema: string): Operation {
  return {
    id,
    tag: "overview",
    summary,
    query: CONSISTENCY,
    headers: READ_HEADERS,
    answers: ok(schema, "As this node knows it."),
  };
}

function probe(id: string, summary: string, not: string | undefined): Operation {
  const schema: Schema = ref("Health");
  const healthy = { 200: { about: "Yes.", schema } };
  const answers = not === undefined ? healthy : { ...healthy, 503: { about: not, schema } };
  return { id, tag: "health", summary, answers };
}

export const OVERVIEW_OPERATIONS: Operations = {
  "GET /workers": overview("listWorkers", "List workers", "Workers"),
  "GET /stats": overview("getStats", "Read figures", "Stats"),
  "POST /compact": {
    id: "compactState",
    tag: "overview",
    summary: "Give back the disk space of removed records",
    about: "On the node that answers. It takes some milliseconds a megabyte; the queue goes on.",
    answers: ok("Compacted", "When it is done: about what its state takes on disk."),
  },
  "GET /cluster": {
    ...overview("getCluster", "Read how the cluster stands", "Cluster"),
    about: "Answered without a leader too, unless `consistency` asks for one.",
  },
  "GET /events": {
    id: "followEvents",
    tag: "overview",
    summary: "Follow what happens to tasks",
    about:
      "Server-sent events. The data of each is an `Event` as JSON; its id is the position to go " +
      "on from. A last event `lagged` says that the reader was too slow and must begin again.",
    query: {
      after: text("A position, or an X-TQ-Applied-Index: events behind it.", { examples: ["0"] }),
      queue: text("Of this queue.", { examples: [EXAMPLES.queue] }),
      type: text("Of this type.", { examples: ["send_email"] }),
      id: uuid("Of this task.", { examples: [EXAMPLES.task] }),
      kind: text("Kinds with commas between them.", { examples: ["submitted,completed"] }),
    },
    headers: { "Last-Event-ID": text("What a browser sends when it comes again.") },
    answers: text200("A stream.", "text/event-stream"),
    refusals: ["position_compacted", "overloaded"],
  },
  "GET /metrics": {
    id: "getMetrics",
    tag: "overview",
    summary: "Read metrics for Prometheus",
    answers: text200("The text format.", "text/plain"),
  },
};

const UNREADY = "Draining, catching up, or without a leader.";

export const HEALTH_OPERATIONS: Operations = {
  "GET /health": probe("getHealth", "Does this node serve reads and writes?", UNREADY),
  "GET /healthz": probe("getAlive", "Does this process answer?", undefined),
  "GET /readyz": probe("getReady", "Does this node serve reads and writes?", UNREADY),
  "GET /leader": probe("getLeader", "Does this node lead?", "Another one does, or nobody."),
};

function text200(about: string, media: string): Operation["answers"] {
  return { 200: { about, media, schema: { type: "string" } } };
}

export const DOCUMENTATION_OPERATIONS: Operations = {
  "GET /errors/:code": {
    id: "explainError",
    tag: "documentation",
    summary: "What an error code means and what to do",
    path: { code: text("The code.", { examples: ["no_leader"] }) },
    answers: text200("Markdown.", "text/markdown"),
    refusals: ["not_found"],
  },
  "GET /openapi.json": {
    id: "getOpenApi",
    tag: "documentation",
    summary: "This document",
    answers: { 200: { about: "OpenAPI 3.1.", schema: { type: "object" } } },
  },
  "GET /docs": {
    id: "getDocs",
    tag: "documentation",
    summary: "This document as a page to read",
    answers: text200("A page without scripts.", "text/html"),
  },
};
