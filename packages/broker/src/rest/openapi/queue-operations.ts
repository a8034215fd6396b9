/** The operations on queues, and on many tasks at once. */
import { EXAMPLES } from "./examples.ts";
import {
  CHANGE,
  CONSISTENCY,
  type Operation,
  type Operations,
  ok,
  PROBLEM_MEDIA,
  queueName,
  READ_HEADERS,
} from "./operation.ts";
import { type Fields, ref, text, uuid } from "./schema.ts";

const ETAG: Fields = { ETag: text("Its revision in quotes, for If-Match.") };
const IF_MATCH = text("An ETag: only if it still has this revision; else 412.", {
  examples: ['"1"'],
});
const QUEUE = { 200: { about: "The queue.", schema: ref("Queue"), headers: ETAG } } as const;
const CHANGED = {
  412: { about: "It has another revision.", schema: ref("Problem"), media: PROBLEM_MEDIA },
} as const;

function turn(id: string, summary: string): Operation {
  return { id, tag: "queues", summary, path: queueName(), answers: QUEUE, refusals: CHANGE };
}

export const QUEUE_OPERATIONS: Operations = {
  "GET /queues": {
    id: "listQueues",
    tag: "queues",
    summary: "List queues",
    query: CONSISTENCY,
    headers: READ_HEADERS,
    answers: ok("Queues", "All of them."),
  },
  "GET /queues/:name": {
    id: "getQueue",
    tag: "queues",
    summary: "Read a queue",
    path: queueName(),
    query: CONSISTENCY,
    headers: READ_HEADERS,
    answers: QUEUE,
    refusals: ["not_found"],
  },
  "PUT /queues/:name": {
    id: "configureQueue",
    tag: "queues",
    summary: "Replace the settings of a queue",
    about: "A queue that is not there is made.",
    path: queueName(),
    headers: {
      "If-Match": IF_MATCH,
      "If-None-Match": text("`*`: only if nobody has said anything of it yet; else 412."),
    },
    body: {
      schema: ref("QueueSettings"),
      examples: {
        "as it was": {},
        limited: { depth_limit: 10_000, concurrency: 20, weight: 2 },
        kept: { retention: { age_ms: 86_400_000, count: 100_000 }, retry: { max_retries: 5 } },
      },
    },
    answers: { ...QUEUE, ...CHANGED },
    refusals: CHANGE,
  },
  "DELETE /queues/:name": {
    id: "deleteQueue",
    tag: "queues",
    summary: "Delete an empty queue with its settings",
    path: queueName(EXAMPLES.emptyQueue),
    headers: { "If-Match": IF_MATCH },
    answers: { 204: { about: "It is gone." }, ...CHANGED },
    refusals: CHANGE,
  },
  "POST /queues/:name/pause": turn("pauseQueue", "Let nothing of a queue begin"),
  "POST /queues/:name/resume": turn("resumeQueue", "Let its tasks begin again"),
  "POST /queues/:name/drain": turn("drainQueue", "Take nothing in"),
  "POST /queues/:name/undrain": turn("undrainQueue", "Take tasks in again"),
  "POST /queues/:name/purge": {
    id: "purgeQueue",
    tag: "queues",
    summary: "Empty a queue",
    about: "Two jobs: what is under way is cancelled, what has ended is deleted.",
    path: queueName(),
    body: {
      schema: ref("HowJob"),
      examples: { all: {}, "count only": { dry_run: true } },
      optional: true,
    },
    answers: { 202: { about: "The jobs.", schema: ref("Jobs") } },
    refusals: ["not_found", ...CHANGE, "overloaded"],
  },
};

const STARTED = {
  202: {
    about: "The job, which goes on by itself.",
    schema: ref("Job"),
    headers: { Location: text("Where to look at it.") },
  },
} as const;
const JOB_ID = { id: uuid("The job.", { examples: [EXAMPLES.job] }) };

function ofDead(id: string, summary: string): Operation {
  return {
    id,
    tag: "dead letters",
    summary,
    body: {
      schema: ref("StartDeadJob"),
      examples: { all: {}, some: { type: "send_email", per_second: 50 } },
      optional: true,
    },
    answers: STARTED,
    refusals: CHANGE,
  };
}

export const JOB_OPERATIONS: Operations = {
  "POST /jobs": {
    id: "startJob",
    tag: "jobs",
    summary: "Change many tasks",
    body: {
      schema: ref("StartJob"),
      examples: {
        "retry the dead": { kind: "retry", filter: { queue: EXAMPLES.queue } },
        "count first": { kind: "delete", filter: { status: "completed" }, dry_run: true },
        gently: { kind: "cancel", filter: { type: "send_email" }, per_second: 100 },
      },
    },
    answers: STARTED,
    refusals: [...CHANGE, "idempotency_mismatch", "id_out_of_window"],
  },
  "GET /jobs": {
    id: "listJobs",
    tag: "jobs",
    summary: "List jobs",
    query: CONSISTENCY,
    headers: READ_HEADERS,
    answers: ok("Jobs", "Those under way and the last that ended."),
  },
  "GET /jobs/:id": {
    id: "getJob",
    tag: "jobs",
    summary: "Read how far a job is",
    path: JOB_ID,
    query: CONSISTENCY,
    headers: READ_HEADERS,
    answers: ok("Job", "The job."),
    refusals: ["not_found"],
  },
  "DELETE /jobs/:id": {
    id: "cancelJob",
    tag: "jobs",
    summary: "Call a job off",
    about: "What it has changed stays changed.",
    path: JOB_ID,
    answers: ok("Job", "The job."),
    refusals: ["not_found", ...CHANGE],
  },
  "POST /dlq/retry": ofDead("retryDeadTasks", "Start dead tasks again"),
  "POST /dlq/purge": ofDead("purgeDeadTasks", "Delete dead tasks for good"),
};
