/** `cancelJob`: a job takes no further step; what it has changed stays changed. */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import type { CancelJob } from "../command.ts";
import { findJob, NO_JOB, putJob } from "../jobs.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

const IS_DONE = refuse("state_conflict", "The job is done already.");

export function cancelJob(s: QueueState, { id }: CancelJob): Reply {
  const job = findJob(s, id);
  if (job === undefined) return NO_JOB;
  if (job.state === "cancelled") return DONE_BEFORE;
  if (job.state === "done") return IS_DONE;
  putJob(s, { ...job, state: "cancelled", updatedAt: s.clock });
  return DONE;
}
