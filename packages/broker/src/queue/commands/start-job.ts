/** `startJob`: a change of many tasks begins; the leader finds them, step by step. */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { StartJob } from "../command.ts";
import type { JobFilter, JobView } from "../job.ts";
import { findJob, putJob, runningJobs, statesFor } from "../jobs.ts";
import { JOBS_MAX } from "../limits.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

const OTHER_JOB = refuse("state_conflict", "This id belongs to another job; use a new one.");
const TOO_MANY_JOBS = refuse(
  "overloaded",
  `There are ${JOBS_MAX} jobs under way already; wait for one of them, or cancel one.`,
);

export function startJob(s: QueueState, command: StartJob): Reply {
  const { id, kind, filter, dryRun, perSecond } = command;
  const known = findJob(s, id);
  if (known !== undefined) return isSame(known, command) ? DONE_BEFORE : OTHER_JOB;
  const states = statesFor(kind);
  if (filter.state !== undefined && !states.includes(filter.state)) {
    const names = states.join(", ");
    return refuse("invalid_request", `A job to ${kind} tasks is for these states only: ${names}.`);
  }
  if (runningJobs(s) >= JOBS_MAX) return TOO_MANY_JOBS;
  putJob(s, {
    id: id.slice(),
    kind,
    filter,
    dryRun,
    perSecond,
    state: "running",
    steps: 0,
    matched: 0,
    changed: 0,
    skipped: 0,
    cursor: new Uint8Array(0),
    startedAt: s.clock,
    updatedAt: s.clock,
  });
  return DONE;
}

function isSame(job: JobView, command: StartJob): boolean {
  const { kind, dryRun, perSecond } = command;
  if (job.kind !== kind || job.dryRun !== dryRun || job.perSecond !== perSecond) return false;
  const names = Object.keys(command.filter) as (keyof JobFilter)[];
  return names.every((name) => job.filter[name] === command.filter[name]);
}
