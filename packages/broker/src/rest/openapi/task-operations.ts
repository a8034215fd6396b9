/** The operations on tasks, dead ones included. */
import { ERROR_GROUPS_MAX, LIST_LIMIT_MAX, LOG_LIMIT_MAX } from "../../operations/limits.ts";
import type { LIST_PARAMETERS } from "../../operations/list-query.ts";
import { EXAMPLES } from "./examples.ts";
import {
  CHANGE,
  CONSISTENCY,
  CURSOR,
  IDEMPOTENCY_HEADER,
  type Operation,
  type Operations,
  ok,
  READ_HEADERS,
  taskId,
} from "./operation.ts";
import { JOB_FILTER } from "./overview-schemas.ts";
import { closed, type Fields, flag, oneOf, ref, type Schema, text, whole } from "./schema.ts";

export const JSONL = "application/jsonl";

type ListParameter = (typeof LIST_PARAMETERS)[number];

function withExample(schema: Schema, example: unknown): Schema {
  return { ...schema, examples: [example] };
}

function limit(max: number): Schema {
  return whole("Of one answer; default 100.", { minimum: 1, maximum: max, examples: [10] });
}

const LIST: Record<ListParameter, Schema> = {
  status: withExample(JOB_FILTER.status, "pending"),
  queue: withExample(JOB_FILTER.queue, EXAMPLES.queue),
  type: withExample(JOB_FILTER.type, "send_email"),
  tag: withExample(JOB_FILTER.tag, "welcome"),
  group: text("Of this group.", { examples: ["acme"] }),
  created_from: withExample(JOB_FILTER.created_from, "2026-03-31T00:00:00Z"),
  created_to: withExample(JOB_FILTER.created_to, "2026-04-01T00:00:00Z"),
  finished_from: withExample(JOB_FILTER.finished_from, "2026-03-31T00:00:00Z"),
  finished_to: withExample(JOB_FILTER.finished_to, "2026-04-01T00:00:00Z"),
  error: withExample(JOB_FILTER.error, EXAMPLES.fingerprint),
  limit: limit(LIST_LIMIT_MAX),
  ...CURSOR,
  payload: flag("With payloads and results; default false.", { examples: [true] }),
  ...CONSISTENCY,
};

const { status: _, ...DEAD_LIST } = LIST;

const TASK_READ = { query: CONSISTENCY, headers: READ_HEADERS } as const;
const LOCATION: Fields = { Location: text("Where it is.") };
const SUBMITTED = {
  201: { about: "The task was made.", schema: ref("Task"), headers: LOCATION },
  200: { about: "It had been submitted before.", schema: ref("Task"), headers: LOCATION },
} as const;

const CANCEL = {
  tag: "tasks",
  path: taskId(EXAMPLES.task),
  body: {
    schema: { type: "object", properties: { reason: text("At most 1,024 bytes.") } },
    examples: { plain: {}, "with a reason": { reason: "the order was withdrawn" } },
    optional: true,
  },
  answers: ok("Task", "The task, cancelled. What a worker reports of it is dropped."),
  refusals: ["not_found", ...CHANGE],
} as const satisfies Partial<Operation>;

export const TASK_OPERATIONS: Operations = {
  "POST /tasks": {
    id: "submitTask",
    tag: "tasks",
    summary: "Submit a task",
    about: "Answered when the task is safe: see X-TQ-Durability.",
    headers: {
      ...IDEMPOTENCY_HEADER,
      traceparent: text("W3C Trace Context, if the body has none.", {
        examples: [EXAMPLES.traceparent],
      }),
    },
    body: {
      schema: ref("Submit"),
      examples: {
        plain: { type: "send_email", payload: { to: "ada@example.org" } },
        "later and important": {
          type: "send_email",
          queue: EXAMPLES.queue,
          payload: { to: "ada@example.org" },
          priority: "high",
          run_at: "2026-04-01T09:00:00Z",
          max_retries: 5,
          retry: { initial_delay_ms: 1000, backoff_multiplier: 3 },
          tags: ["welcome"],
          metadata: { order: 1042 },
        },
        "only once": { type: "send_email", id: EXAMPLES.fresh, idempotency_key: "order-1042" },
        "behind another": { type: "send_email", depends_on: [EXAMPLES.task] },
        bytes: { type: "resize", payload_base64: "iVBORw0KGgo=", timeout_ms: 60_000 },
      },
    },
    answers: SUBMITTED,
    refusals: [
      "state_conflict",
      "too_large",
      "idempotency_mismatch",
      "id_out_of_window",
      "queue_full",
      "outcome_unknown",
      "disk_full",
    ],
  },
  "POST /tasks/batch": {
    id: "submitTasks",
    tag: "tasks",
    summary: "Submit up to a thousand tasks",
    about: "If none was made the answer is a refusal, with the results beside it as `tasks`.",
    body: {
      schema: ref("Batch"),
      examples: {
        two: { tasks: [{ type: "send_email" }, { type: "resize", priority: "low" }] },
        "all or none": { atomic: true, tasks: [{ type: "send_email" }, { type: "resize" }] },
      },
    },
    answers: {
      201: { about: "A result for each; at least one is new.", schema: ref("BatchResult") },
      200: { about: "All that were taken had been there.", schema: ref("BatchResult") },
    },
    refusals: [
      "state_conflict",
      "too_large",
      "idempotency_mismatch",
      "id_out_of_window",
      "queue_full",
      "outcome_unknown",
      "disk_full",
    ],
  },
  "GET /tasks": {
    id: "listTasks",
    tag: "tasks",
    summary: "List tasks",
    about:
      "A page at a time, without payloads unless asked for. With `Accept: application/jsonl` or " +
      "`format=jsonl` all pages come as one stream, a task a line; if its last line is " +
      '`{"next_cursor": …}` there is more, and the list goes on with that `cursor`.',
    query: {
      ...LIST,
      format: oneOf(["json", "jsonl"], "Default: what `Accept` says.", { examples: ["jsonl"] }),
    },
    headers: READ_HEADERS,
    answers: {
      200: {
        about: "A page, or all of them as lines.",
        schema: ref("TaskPage"),
        also: { [JSONL]: { oneOf: [ref("Task"), ref("MoreTasks")] } },
      },
    },
  },
  "GET /tasks/:id": {
    id: "getTask",
    tag: "tasks",
    summary: "Read a task, or wait until it is finished",
    path: taskId(EXAMPLES.completed),
    query: {
      wait: text("At most 45s: how long to wait until it is finished.", { examples: ["30s"] }),
      ...CONSISTENCY,
    },
    headers: READ_HEADERS,
    answers: ok("Task", "The task, finished or not."),
    refusals: ["not_found"],
  },
  "GET /tasks/:id/logs": {
    id: "getTaskLog",
    tag: "tasks",
    summary: "Read what its handlers wrote",
    path: taskId(EXAMPLES.completed),
    query: {
      after: whole("Lines behind this number.", { examples: [0] }),
      limit: limit(LOG_LIMIT_MAX),
      ...CONSISTENCY,
    },
    headers: READ_HEADERS,
    answers: ok("Log", "Lines."),
    refusals: ["not_found"],
  },
  "GET /tasks/:id/graph": {
    id: "getTaskGraph",
    tag: "tasks",
    summary: "Read what it depends on and what depends on it",
    path: taskId(EXAMPLES.task),
    ...TASK_READ,
    answers: ok("Graph", "The task among its relatives."),
    refusals: ["not_found"],
  },
  "POST /tasks/:id/cancel": { id: "cancelTask", summary: "Cancel a task", ...CANCEL },
  "DELETE /tasks/:id": {
    id: "cancelTaskByDelete",
    summary: "Cancel a task",
    about: "The same as `POST /tasks/{id}/cancel`: what is left of the task can still be read.",
    ...CANCEL,
  },
  "POST /tasks/:id/reschedule": {
    id: "rescheduleTask",
    tag: "tasks",
    summary: "Say when a task that waits is to run",
    path: taskId(EXAMPLES.task),
    body: {
      schema: ref("When"),
      examples: {
        at: { run_at: "2026-04-01T09:00:00Z" },
        in: { delay_ms: 60_000 },
        now: { delay_ms: 0 },
      },
    },
    answers: ok("Task", "The task."),
    refusals: ["not_found", ...CHANGE],
  },
  "POST /tasks/:id/release": {
    id: "releaseTask",
    tag: "tasks",
    summary: "End the lease of a running task",
    about:
      "For one that its worker will never report: it is pending again, and no retry is used. " +
      "The worker is told, and a report that comes all the same is refused.",
    path: taskId(EXAMPLES.running),
    body: {
      schema: closed("Which run.", {
        token: text("Only if the run with this token is under way; default: whichever is."),
      }),
      examples: { whichever: {}, "that one": { token: EXAMPLES.token } },
      optional: true,
    },
    answers: ok("Task", "The task."),
    refusals: ["not_found", "stale_token", ...CHANGE],
  },
  "POST /tasks/:id/retry": {
    id: "retryTask",
    tag: "tasks",
    summary: "Start a dead or cancelled task again",
    path: taskId(EXAMPLES.dead),
    headers: IDEMPOTENCY_HEADER,
    answers: ok("Task", "The task, with its retries counted from 0."),
    refusals: ["not_found", ...CHANGE],
  },
};

export const DEAD_OPERATIONS: Operations = {
  "GET /dlq/failed-tasks": {
    id: "listDeadTasks",
    tag: "dead letters",
    summary: "List dead tasks, newest first",
    query: DEAD_LIST,
    headers: READ_HEADERS,
    answers: ok("DeadTaskPage", "A page."),
  },
  "GET /dlq/groups": {
    id: "listErrorGroups",
    tag: "dead letters",
    summary: "List what they died of",
    about: "Errors of a type that say the same but for numbers, ids and quoted text.",
    query: {
      after: text("A fingerprint: groups behind it.", { examples: [EXAMPLES.fingerprint] }),
      limit: limit(ERROR_GROUPS_MAX),
      ...CONSISTENCY,
    },
    headers: READ_HEADERS,
    answers: ok("ErrorGroups", "Groups of errors."),
  },
  "POST /dlq/failed-tasks/:id/retry": {
    id: "retryDeadTask",
    tag: "dead letters",
    summary: "Start a dead task again",
    path: taskId(EXAMPLES.dead),
    headers: IDEMPOTENCY_HEADER,
    answers: ok("Task", "The task, with its retries counted from 0."),
    refusals: ["not_found", ...CHANGE],
  },
  "DELETE /dlq/failed-tasks/:id": {
    id: "deleteDeadTask",
    tag: "dead letters",
    summary: "Delete a dead task for good",
    path: taskId(EXAMPLES.dead),
    headers: IDEMPOTENCY_HEADER,
    answers: { 204: { about: "It is gone." } },
    refusals: ["not_found", ...CHANGE],
  },
};
