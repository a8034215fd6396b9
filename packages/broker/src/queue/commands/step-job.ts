/**
 * `stepJob`: the next tasks of a job. Each is looked at again and passed over when it is not, or
 * not any more, what the job is after. Compare-and-set on the number of steps, so that a copy, or
 * what a deposed leader proposed late, changes nothing.
 *
 * A step that cancels ends early once enough tasks have heard of it. It is not taken then: the job
 * stays at this step and where it was, and who carries it on finds those that are left.
 */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { FinishedRecord } from "../codec/finished-record.ts";
import type { StepJob } from "../command.ts";
import { type Fingerprint, fingerprint } from "../fingerprint.ts";
import type { JobView } from "../job.ts";
import { findJob, matchesFinished, matchesLive, NO_JOB, putJob, statesFor } from "../jobs.ts";
import { JOB_STEP_MAX, LINKS_PER_COMMAND_MAX } from "../limits.ts";
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
  const linksMin = s.links.size - LINKS_PER_COMMAND_MAX;
  let looked = 0;
  let changed = 0;
  while (looked < tasks.length && s.links.size > linksMin) {
    if (changeOne(s, job, tasks[looked]!, request)) changed++;
    looked++;
  }
  const counted = {
    ...job,
    matched: job.matched + looked,
    changed: job.changed + changed,
    skipped: job.skipped + looked - changed,
    updatedAt: s.clock,
  };
  putJob(s, looked < tasks.length ? counted : taken(counted, cursor));
  return DONE;
}

function taken(job: JobView, cursor: Uint8Array): JobView {
  const state = cursor.length === 0 ? "done" : "running";
  return { ...job, state, steps: job.steps + 1, cursor: cursor.slice() };
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
  if (job.kind === "retry") return retryOne(s, id, record, request);
  bury(s, id, record, request);
  return true;
}

/**
 * No step is taken twice, so that it needs no request id; the task keeps that of the caller who
 * started it last, of which a late copy may still come. A task that nobody has started again gets
 * the step's: by having one it is known to be no new task.
 */
function retryOne(s: QueueState, id: TaskId, record: FinishedRecord, step: Fingerprint): boolean {
  const last = { high: record.requestHigh, low: record.requestLow };
  const request = last.high === 0 && last.low === 0 ? step : last;
  return retryFinished(s, id, record, request).code === "ok";
}

/** One for each step. */
function requestOf({ id, steps }: JobView): Fingerprint {
  const bytes = new Uint8Array(id.length + 4);
  bytes.set(id);
  for (let at = 0; at < 4; at++) bytes[id.length + at] = steps >>> (at * 8);
  return fingerprint(bytes);
}
