/**
 * `stepJob`: the next tasks of a job. Each is looked at again and passed over when it is not, or
 * not any more, what the job is after. Compare-and-set on the number of steps, so that a copy, or
 * what a deposed leader proposed late, changes nothing.
 */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { StepJob } from "../command.ts";
import { type Fingerprint, fingerprint } from "../fingerprint.ts";
import type { JobView } from "../job.ts";
import { findJob, matchesFinished, matchesLive, NO_JOB, putJob, statesFor } from "../jobs.ts";
import { JOB_STEP_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished } from "../lookup.ts";
import { bury } from "../removal.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { stateName } from "../state-number.ts";
import type { TaskId } from "../task.ts";
import { cancel } from "./cancel.ts";
import { retryFinished } from "./retry.ts";

const TOO_MANY = refuse("invalid_request", `A step is of ${JOB_STEP_MAX} tasks at most.`);
const OTHER_STEP = refuse("state_conflict", "The job is not at this step.");
const ENDED = refuse("state_conflict", "The job has ended.");

export function stepJob(s: QueueState, { id, step, tasks, cursor }: StepJob): Reply {
  const job = findJob(s, id);
  if (job === undefined) return NO_JOB;
  if (tasks.length > JOB_STEP_MAX) return TOO_MANY;
  if (step < job.steps) return DONE_BEFORE;
  if (job.state !== "running") return ENDED;
  if (step > job.steps) return OTHER_STEP;
  const request = requestOf(job);
  let changed = 0;
  for (const task of tasks) if (changeOne(s, job, task, request)) changed++;
  putJob(s, {
    ...job,
    state: cursor.length === 0 ? "done" : "running",
    steps: job.steps + 1,
    matched: job.matched + tasks.length,
    changed: job.changed + changed,
    skipped: job.skipped + tasks.length - changed,
    cursor: cursor.slice(),
    updatedAt: s.clock,
  });
  return DONE;
}

/** False when it is none of the job's tasks, or could not be changed. */
function changeOne(s: QueueState, job: JobView, id: TaskId, request: Fingerprint): boolean {
  const slot = s.table.find(id);
  if (slot !== NONE) {
    if (job.kind !== "cancel" || !matchesLive(s, slot, job.filter)) return false;
    return job.dryRun || cancel(s, { type: "cancel", id, reason: "" }).code === "ok";
  }
  if (job.kind === "cancel") return false;
  const record = findFinished(s, id);
  if (record === undefined || !statesFor(job.kind).includes(stateName(record.state))) return false;
  if (!matchesFinished(s, id, record, job.filter)) return false;
  if (job.dryRun) return true;
  if (job.kind === "retry") return retryFinished(s, id, record, request).code === "ok";
  bury(s, id, record, request);
  return true;
}

/** One for each step, so that a task which has died again since can be started again by another. */
function requestOf({ id, steps }: JobView): Fingerprint {
  const bytes = new Uint8Array(id.length + 4);
  bytes.set(id);
  for (let at = 0; at < 4; at++) bytes[id.length + at] = steps >>> (at * 8);
  return fingerprint(bytes);
}
