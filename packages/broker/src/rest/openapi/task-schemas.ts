/** Tasks, and what belongs to one: attempts, log lines, relatives, events. */
import type {
  AttemptJson,
  EventJson,
  GraphNodeJson,
  LogLineJson,
  RetryJson,
  TaskJson,
} from "task-queue-protocol";
import {
  BACKOFF_MULTIPLIER_MAX,
  BATCH_TASKS_MAX,
  DURATION_MS_MAX,
  IDEMPOTENCY_KEY_BYTES_MAX,
  METADATA_BYTES_MAX,
  NAME_LENGTH_MAX,
  PARENTS_MAX,
  REQUIRED_LABELS_MAX,
  RETRIES_MAX,
  RETRY_DELAYS_MAX,
  TAG_LENGTH_MAX,
  TAGS_MAX,
  UNIQUE_KEY_BYTES_MAX,
} from "../../operations/limits.ts";
import type { SUBMIT_FIELDS } from "../../operations/parse-task.ts";
import type { DeadTaskJson } from "../../operations/task-to-json.ts";
import {
  BACKOFFS,
  FEED_KINDS,
  PARENT_FAILURES,
  PRIORITIES,
  TASK_STATES,
  UNIQUE_CONFLICTS,
} from "../../queue/index.ts";
import { EXAMPLES } from "./examples.ts";
import {
  allBut,
  closed,
  type Fields,
  flag,
  list,
  named,
  object,
  oneOf,
  ref,
  type Schema,
  text,
  time,
  uuid,
  whole,
} from "./schema.ts";

export const NAME = { pattern: "^[A-Za-z0-9._:-]+$", maxLength: NAME_LENGTH_MAX };
const DURATION = { maximum: DURATION_MS_MAX };

export const STATE = oneOf(TASK_STATES, "How it stands.");

const RETRY: Record<keyof RetryJson, Schema> = {
  backoff: oneOf(BACKOFFS, "How the waits grow; default exponential."),
  initial_delay_ms: whole("The first wait.", DURATION),
  backoff_multiplier: {
    type: "number",
    description: "What each wait is times the one before.",
    minimum: 1,
    maximum: BACKOFF_MULTIPLIER_MAX,
  },
  max_delay_ms: whole("No wait is longer.", DURATION),
  delays_ms: list(
    { type: "integer", minimum: 0, ...DURATION },
    "Of backoff `list`: the waits, of which the last stands for all that follow.",
    { minItems: 1, maxItems: RETRY_DELAYS_MAX },
  ),
  jitter: {
    description: "A share of each wait that is added to it at random, or a kind of jitter.",
    oneOf: [{ type: "number", minimum: 0, maximum: 1 }, { enum: ["none", "full", "equal"] }],
  },
};

/** What a submitter says of a task, as the broker shows it again. */
const SAID = {
  id: uuid("A UUID of version 7. The broker makes one if the submitter does not."),
  type: text("What kind of work it is: workers ask for types.", NAME),
  queue: text("Where it stands in line; default `default`.", NAME),
  payload: { description: "Any JSON: what the worker gets." },
  payload_base64: text("Instead of `payload`: bytes.", { contentEncoding: "base64" }),
  priority: oneOf(PRIORITIES, "Default `normal`."),
  delay_ms: whole("It runs no sooner than so long after it was submitted.", DURATION),
  run_at: time("It runs no sooner. In the past: now."),
  timeout_ms: whole("An attempt may take no longer.", DURATION),
  max_retries: whole("Failures after which it is tried again.", { maximum: RETRIES_MAX }),
  retry: ref("Retry"),
  idempotency_key: text(
    "Within its queue and 24 hours, a second submit with this key and the same content makes no " +
      `second task. At most ${IDEMPOTENCY_KEY_BYTES_MAX} bytes. Also as header Idempotency-Key.`,
  ),
  tags: list({ type: "string", maxLength: TAG_LENGTH_MAX }, "To find it by.", {
    maxItems: TAGS_MAX,
  }),
  metadata: named({}, `Of the caller's own; at most ${METADATA_BYTES_MAX} bytes as JSON.`),
  traceparent: text("W3C Trace Context: passed on to the worker."),
  expires_at: time("If it has not begun by then it expires."),
  expires_in_ms: whole("The same, from its submit on.", { minimum: 1, ...DURATION }),
  unique_key: text(`One task of its queue has it; at most ${UNIQUE_KEY_BYTES_MAX} bytes.`),
  unique_for_ms: whole("How long the key is taken; default: while the task lives.", DURATION),
  unique_conflict: oneOf(UNIQUE_CONFLICTS, "What happens if the key is taken; default `keep`."),
  group: text("On whose behalf: groups of a queue take turns."),
  required_labels: list(text("`key=value`"), "A worker must have all of them.", {
    maxItems: REQUIRED_LABELS_MAX,
  }),
  depends_on: list(uuid("A task."), "Tasks that must be completed before it runs.", {
    maxItems: PARENTS_MAX,
  }),
  on_parent_failure: oneOf(PARENT_FAILURES, "If one of them is not; default `fail`."),
};

const SUBMIT: Record<(typeof SUBMIT_FIELDS)[number], Schema> = {
  ...SAID,
  data: { description: "The same as `payload`." },
};

const ATTEMPT: Record<keyof AttemptJson, Schema> = {
  number: whole("Counted from 1."),
  worker_id: text("Who had it."),
  token: text("Of its lease: a decimal number.", { pattern: "^[0-9]+$" }),
  started_at: time("When it was handed out."),
  ended_at: time("When it ended."),
  outcome: text("How it ended."),
  error: ref("TaskError"),
};

const TASK: Record<keyof TaskJson, Schema> = {
  ...SAID,
  state: STATE,
  attempt: whole("Number of the present attempt, or of the last; 0: none yet."),
  attempts: list(ref("Attempt"), "The last ones, oldest first."),
  result: { description: "What the worker answered: any JSON." },
  result_base64: text("Instead of `result`: bytes.", { contentEncoding: "base64" }),
  error: ref("TaskError"),
  lease: object(
    "Who has it now.",
    {
      worker_id: text("A worker."),
      token: text("Of the lease.", { pattern: "^[0-9]+$" }),
      deadline: time("When it lapses, unless the worker is heard from."),
    },
    ["worker_id", "token", "deadline"],
  ),
  progress: object(
    "What its handler said last of how far it is.",
    { value: { description: "Any JSON." }, at: time("When.") },
    ["value", "at"],
  ),
  log_lines: whole("Lines in its log, those that are kept no more included."),
  due_at: time("When it is to run."),
  waits_for: whole("Parents that it still waits for."),
  original_queue: text("Where it was submitted, if it has moved to a dead letter queue."),
  created_at: time("When it was submitted."),
  updated_at: time("When it changed last."),
  started_at: time("When its last attempt began."),
  finished_at: time("When it ended."),
};

const TASK_ALWAYS = [
  "id",
  "type",
  "queue",
  "state",
  "priority",
  "max_retries",
  "retry",
  "attempt",
  "attempts",
  "created_at",
  "updated_at",
];

const DEAD: Record<keyof DeadTaskJson, Schema> = {
  ...TASK,
  failed_at: time("When it died."),
  last_error: ref("TaskError"),
};

const LOG_LINE: Record<keyof LogLineJson, Schema> = {
  number: whole("Counted from 1 over all attempts."),
  at: time("When it was written."),
  level: oneOf(["debug", "info", "warn", "error"], "As its handler said."),
  text: text("What it says."),
};

const GRAPH_NODE: Record<keyof GraphNodeJson, Schema> = {
  id: uuid("The task."),
  state: oneOf([...TASK_STATES, "deleted"], "`deleted`: its children still name it."),
  type: text("Its type."),
  queue: text("Its queue."),
  depends_on: list(uuid("A task."), "Its parents."),
  distance: { type: "integer", description: "Steps away: parents are at -1, children at 1." },
};

const EVENT: Record<keyof EventJson, Schema> = {
  position: text("Where it stands in the feed, the same on every node."),
  at: time("When it happened."),
  id: uuid("The task."),
  kind: oneOf(FEED_KINDS, "What happened."),
  queue: text("Its queue."),
  type: text("Its type."),
  state: STATE,
  attempt: whole("Number of the attempt."),
};

const EXAMPLE_TASK = {
  id: EXAMPLES.task,
  type: "send_email",
  queue: EXAMPLES.queue,
  state: "pending",
  priority: "normal",
  max_retries: 3,
  retry: { initial_delay_ms: 5000, backoff_multiplier: 2, max_delay_ms: 3_600_000, jitter: 0.1 },
  attempt: 0,
  attempts: [],
  created_at: "2026-03-31T08:00:00.000Z",
  updated_at: "2026-03-31T08:00:00.000Z",
  payload: { to: "ada@example.org" },
};

function page(what: string, description: string): Schema {
  const fields = {
    tasks: list(ref(what), "At most `limit`."),
    next_cursor: text("There is more: send it as `cursor`. A short page may have one, too."),
  };
  return object(description, fields, ["tasks"]);
}

export const TASK_SCHEMAS: Fields = {
  Retry: closed("When a task that failed is tried again.", RETRY),
  TaskError: object(
    "What went wrong.",
    { message: text("In a sentence."), stack: text("Where in the handler.") },
    ["message"],
  ),
  Submit: object(
    "A task to be made. Unknown fields are refused by name; those that only a broker sets are " +
      "ignored, so that a task that was read can be posted again and makes a new one.",
    SUBMIT,
    ["type"],
  ),
  Attempt: object(
    "One delivery to a worker.",
    ATTEMPT,
    allBut(ATTEMPT, ["ended_at", "outcome", "error"]),
  ),
  Task: { ...object("A task.", TASK, TASK_ALWAYS), examples: [EXAMPLE_TASK] },
  DeadTask: object("A task in the dead letter queue.", DEAD, [...TASK_ALWAYS, "failed_at"]),
  TaskPage: page("Task", "Live tasks first, then the finished ones, newest first."),
  MoreTasks: object(
    "The last line of a stream that ended before the list did.",
    { next_cursor: text("Send it as `cursor` to go on.") },
    ["next_cursor"],
  ),
  DeadTaskPage: page("DeadTask", "Dead tasks, newest first."),
  Batch: closed(
    "Several tasks to be made.",
    {
      tasks: list(ref("Submit"), "In order.", { minItems: 1, maxItems: BATCH_TASKS_MAX }),
      atomic: flag("All of them or none; default false."),
    },
    ["tasks"],
  ),
  BatchResult: object(
    "A result for each task of a batch, in its order.",
    { tasks: list({ oneOf: [ref("Task"), ref("BatchRefusal")] }, "As many as were sent.") },
    ["tasks"],
  ),
  BatchRefusal: object(
    "Why one task of a batch was not made.",
    {
      id: uuid("Under which it was tried: sending it again with this id is safe."),
      error: object(
        "A code of the error catalogue.",
        {
          code: text("The code."),
          message: text("In a sentence."),
          field: text("Of the request."),
          retryable: flag("May the same request succeed later?"),
        },
        ["code", "message", "retryable"],
      ),
    },
    ["error"],
  ),
  When: closed("When a task is to run: one of the two.", {
    run_at: time("An instant; in the past: now."),
    delay_ms: whole("From now on.", DURATION),
  }),
  Log: object(
    "Lines of a task's log.",
    {
      lines: list(object("A line.", LOG_LINE, Object.keys(LOG_LINE)), "In order."),
      next: whole("Send it as `after` to go on."),
      total: whole("Lines that there have been; the newest 1,000 are kept."),
    },
    ["lines", "next", "total"],
  ),
  Graph: object(
    "A task among those that it depends on and that depend on it.",
    {
      id: uuid("The task that was asked for."),
      nodes: list(
        object("A task.", GRAPH_NODE, ["id", "state", "depends_on", "distance"]),
        "The task itself, then the nearest first.",
      ),
      truncated: flag("There are more than are shown."),
    },
    ["id", "nodes", "truncated"],
  ),
  Event: object("Something that happened to a task.", EVENT, Object.keys(EVENT)),
};
