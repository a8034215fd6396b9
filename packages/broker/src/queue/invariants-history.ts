/** The part of the invariants that is about finished tasks and jobs. */
import { assert } from "./assert.ts";
import { finishedCount } from "./history-index.ts";
import { ENDED_JOBS_KEPT, JOBS_MAX } from "./limits.ts";
import type { QueueState } from "./state.ts";

export function checkHistory(s: QueueState): void {
  s.blocks.check();
  assert(s.blocks.total <= finishedCount(s), "more tasks in the blocks than have ended");
  const isAll = s.version >= 3 && s.plainHistoryTo === 0;
  assert(!isAll || s.blocks.total === finishedCount(s), "a finished task is in no block");
  for (const queue of s.lanes.queues.values()) {
    assert(queue.finishedBytes >= 0, "a queue's finished tasks have less than no bytes");
  }
  let running = 0;
  for (const { state, matched, changed, skipped } of s.jobs.values()) {
    if (state === "running") running++;
    assert(matched === changed + skipped, "a job has lost count");
  }
  assert(running <= JOBS_MAX, "too many jobs are under way");
  assert(s.jobs.size - running <= ENDED_JOBS_KEPT, "too many jobs are remembered");
}
