/** Queues, jobs, workers, the cluster, health, and refusals. */
import {
  type ClusterJson,
  ERRORS,
  type ErrorGroupJson,
  type JobFilterJson,
  type JobJson,
  type MemberJson,
  type QueueSettingsJson,
  type RetentionJson,
  type WorkerJson,
} from "task-queue-protocol";
import type { JOB_FIELDS } from "../../operations/jobs.ts";
import {
  DURATION_MS_MAX,
  JOB_RATE_MAX,
  RETRIES_MAX,
  SETTING_MAX,
  WEIGHT_MAX,
} from "../../operations/limits.ts";
import type { QueueDetailJson } from "../../operations/queues.ts";
import type { StatsDetailJson } from "../../operations/stats.ts";
import { JOB_KINDS, TASK_STATES } from "../../queue/index.ts";
import type { Problem } from "../problem.ts";
import {
  allBut,
  closed,
  type Fields,
  flag,
  list,
  named,
  object,
  oneOf,
  orNull,
  ref,
  type Schema,
  text,
  time,
  uuid,
  whole,
} from "./schema.ts";
import { NAME, TASK_SCHEMAS } from "./task-schemas.ts";

const AGE = { maximum: DURATION_MS_MAX };
const COUNT = { maximum: SETTING_MAX };
const WEIGHT = { minimum: 1, maximum: WEIGHT_MAX };

const RETENTION: Record<keyof RetentionJson, Schema> = {
  age_ms: whole("Of completed, cancelled and expired tasks.", AGE),
  dead_age_ms: whole("Of dead ones; 0: until somebody deletes them.", AGE),
  count: whole("Finished tasks that are kept, dead ones not counted.", COUNT),
  bytes: whole("The same in bytes.", COUNT),
  result_age_ms: whole("Results may go before their tasks.", AGE),
  log_age_ms: whole("So may log lines.", AGE),
};

const SETTINGS: Record<keyof QueueSettingsJson, Schema> = {
  depth_limit: whole("Unfinished tasks; of more: `queue_full`.", COUNT),
  default_ttl_ms: whole("Expiry of tasks that say nothing of one.", AGE),
  retry: closed("For tasks that say nothing of it.", {
    max_retries: whole("Failures after which a task is tried again.", { maximum: RETRIES_MAX }),
    ...(TASK_SCHEMAS["Retry"]!["properties"] as Fields),
  }),
  concurrency: whole("Tasks that run at one time.", COUNT),
  key_concurrency: whole("The same of each group.", COUNT),
  weight: whole("Its share against other queues of the same workers; default 1.", WEIGHT),
  group_weights: named({ type: "integer", ...WEIGHT }, "The same of its groups; others have 1."),
  dead_letter_queue: text("Where its dead tasks go on; empty: nowhere.", {
    ...NAME,
    pattern: "^[A-Za-z0-9._:-]*$",
  }),
  retention: closed("How long finished tasks are kept.", RETENTION),
};

const QUEUE: Record<keyof QueueDetailJson, Schema> = {
  name: text("Its name.", NAME),
  depth: whole("Unfinished tasks."),
  counts: object(
    "Tasks by state.",
    Object.fromEntries(TASK_STATES.map((state) => [state, whole(`Tasks that are ${state}.`)])),
    TASK_STATES,
  ),
  oldest_pending_at: time("Since when the first in line is pending."),
  oldest_pending_age_ms: whole("The same as a length of time."),
  paused: flag("Nothing of it begins."),
  draining: flag("Nothing is taken in."),
  running: whole("Tasks that run."),
  finished_bytes: whole("Of its finished tasks, dead ones not counted."),
  revision: whole("Raised by each change; in quotes it is the ETag."),
  settings: ref("QueueSettings"),
};

const TIME_FILTERS = {
  created_from: time("Submitted then or later."),
  created_to: time("Submitted before."),
  finished_from: time("Ended then or later."),
  finished_to: time("Ended before."),
};

export const JOB_FILTER: Record<keyof JobFilterJson, Schema> = {
  status: oneOf([...TASK_STATES, "failed", "dead_letter", "delayed"], "How they stand."),
  queue: text("Of this queue."),
  type: text("Of this type."),
  tag: text("With this tag."),
  ...TIME_FILTERS,
  error: text("Dead of errors with this fingerprint.", { pattern: "^[0-9a-f]{16}$" }),
};

const HOW = {
  dry_run: flag("It counts what it would change, and changes nothing."),
  per_second: whole("Tasks a second; 0: as quickly as it goes.", { maximum: JOB_RATE_MAX }),
};

const START_JOB: Record<(typeof JOB_FIELDS)[number], Schema> = {
  id: uuid("A UUID of version 7, the same in every resend."),
  kind: oneOf(JOB_KINDS, "What is done to the tasks."),
  filter: closed("Which tasks; of a retry the dead ones, unless `status` is there.", JOB_FILTER),
  ...HOW,
};

const JOB: Record<keyof JobJson, Schema> = {
  ...START_JOB,
  state: oneOf(["running", "done", "cancelled"], "How far it is."),
  matched: whole("Tasks that it came to."),
  changed: whole("Tasks that it changed, or in a dry run would have."),
  skipped: whole("Tasks that had become something else by then."),
  started_at: time("When it was started."),
  updated_at: time("When it took its last step."),
};

const WORKER: Record<keyof WorkerJson, Schema> = {
  id: text("Of its session."),
  name: text("As it calls itself."),
  state: oneOf(["idle", "busy", "lapsed"], "`lapsed`: it was not heard from in time."),
  queues: list(text("A queue."), "Which it serves; empty: all."),
  types: list(text("A type."), "Which it can do."),
  labels: named(text("A value."), "For tasks that require some."),
  concurrency: whole("Tasks that it does at one time."),
  running: whole("Tasks that it has."),
  last_heartbeat_at: time("When it was heard from."),
  version: text("Of its program."),
};

const MEMBER: Record<keyof MemberJson, Schema> = {
  id: text("Its name."),
  address: text("Where workers and clients reach it."),
  role: oneOf(["leader", "follower", "candidate", "learner", "unknown"], "Its part."),
  match_index: orNull(whole("How far its log is the leader's; null: only the leader knows.")),
  lag: orNull(whole("Entries that it is behind; null: only the leader knows.")),
  healthy: flag("It is heard from."),
  version: text("Of its program; empty: it is not connected, or is 0.4.0 or older."),
  supports: orNull(
    object("Versions of the cluster that its program knows.", {
      min: whole("The lowest."),
      max: whole("The highest."),
    }),
  ),
};

const CLUSTER: Record<keyof ClusterJson, Schema> = {
  cluster_id: text("Drawn when it was formed."),
  cluster_version: whole("What all members work with."),
  leader_id: orNull(text("Who leads; null: nobody that this node knows of.")),
  term: whole("Of the leader."),
  node_id: text("Who answers."),
  role: oneOf(["leader", "follower", "candidate"], "Its part."),
  ready: flag("It serves reads and writes."),
  reason: text("Why it does not."),
  applied_index: whole("How far it has applied the log."),
  commit_index: whole("How far the log is safe."),
  durability: text("What an answer to a write promises."),
  intake_closed: flag("New tasks are refused with `disk_full`."),
  members: list(object("A broker.", MEMBER, Object.keys(MEMBER)), "All of them."),
};

const STATS: Record<Exclude<keyof StatsDetailJson, number>, Schema> = {
  node_id: text("Who answers."),
  role: text("Its part."),
  cluster_time: time("The cluster's clock."),
  tasks: QUEUE["counts"],
  unfinished: whole("Tasks that have not ended."),
  queues: whole("How many there are."),
  workers: named(whole("A count."), "`connected`, `running` and `concurrency` of all."),
  raft: named({}, "This node's part in consensus."),
  storage: named(whole("A figure."), "Of LevelDB: memory; files and megabytes by level."),
};

const ERROR_GROUP: Record<keyof ErrorGroupJson, Schema> = {
  fingerprint: text("`error` of a list.", { pattern: "^[0-9a-f]{16}$" }),
  type: text("Of the tasks."),
  message: text("Of the first of them."),
  count: whole("How many died of it."),
  first_at: time("The first."),
  last_at: time("The last."),
};

const PROBLEM: Record<Exclude<keyof Problem, number> | "tasks", Schema> = {
  type: text("A path on this broker that explains the code."),
  title: text("What the code means."),
  status: whole("The HTTP status."),
  detail: text("What is wrong, where, and how to mend it."),
  code: oneOf(Object.keys(ERRORS), "For programs."),
  retryable: flag("May the same request, unchanged, succeed later?"),
  field: text("The field or parameter that is wrong."),
  instance: text("The path that was asked for."),
  request_id: text("As in X-Request-Id and in the broker's log."),
  task_id: uuid("Under which a submit was tried: sending it again with this id is safe."),
  tasks: list({ type: "object" }, "Of a batch of which no task was made: why not, for each."),
};

function several(name: string, of: string): Schema {
  return object(`All ${name}.`, { [name]: list(ref(of), "In order.") }, [name]);
}

export const OVERVIEW_SCHEMAS: Fields = {
  QueueSettings: closed(
    "What an operator says of a queue. What is left out is as it is for a queue that nobody has " +
      "said anything of: mostly 0, which is no limit, or as the brokers are configured.",
    SETTINGS,
  ),
  Queue: object(
    "How a queue stands.",
    QUEUE,
    allBut(QUEUE, ["oldest_pending_at", "oldest_pending_age_ms"]),
  ),
  Queues: several("queues", "Queue"),
  StartJob: closed("A change of many tasks.", START_JOB, ["kind"]),
  StartDeadJob: closed("Which dead tasks, and how; nothing: all of them.", {
    ...Object.fromEntries(Object.entries(JOB_FILTER).filter(([name]) => name !== "status")),
    ...HOW,
  }),
  HowJob: closed("How.", HOW),
  Job: object("A change of many tasks, carried out step by step.", JOB, Object.keys(JOB)),
  Jobs: several("jobs", "Job"),
  Worker: object("A worker's session.", WORKER, Object.keys(WORKER)),
  Workers: several("workers", "Worker"),
  Cluster: object("The cluster as this node sees it.", CLUSTER, allBut(CLUSTER, ["reason"])),
  Compacted: object("What a node's state takes on its disk.", {
    node_id: text("Whose disk."),
    before_bytes: whole("About, before."),
    after_bytes: whole("About, afterwards."),
  }),
  Stats: object("Figures.", STATS, Object.keys(STATS)),
  ErrorGroups: object(
    "Dead tasks by what they died of.",
    {
      groups: list(
        object("Errors that say the same.", ERROR_GROUP, Object.keys(ERROR_GROUP)),
        "In the order of their fingerprints.",
      ),
      next: text("There may be more: send it as `after`."),
    },
    ["groups"],
  ),
  Health: object("Whether this node should get requests, and why not.", {
    status: text("In a word."),
    reason: text("Why not."),
    warning: text("What an operator should see to."),
    role: text("Its part in the cluster."),
    node_id: text("Who answers."),
    leader_id: orNull(text("Who leads.")),
    term: whole("Of the leader."),
    applied_index: whole("How far it has applied the log."),
    leader: flag("Of `/leader`: it leads."),
  }),
  Problem: object("A refusal (RFC 9457).", PROBLEM, [
    "type",
    "title",
    "status",
    "detail",
    "code",
    "retryable",
  ]),
};
