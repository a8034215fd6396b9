/**
 * `report`: progress and log lines of runs that are under way under this session. What is said of a
 * run that is over, or not this session's, is passed over. At least once: a report that is sent
 * again adds its lines again, while progress, of which the newest counts, is the same afterwards.
 */
import { DONE, DONE_BEFORE, findRun, refuse } from "../answers.ts";
import type { Report } from "../command.ts";
import { RUNS_PER_REPORT_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { noteRun } from "../notes.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";

const TOO_MANY_RUNS = refuse(
  "invalid_request",
  `A report may speak of ${RUNS_PER_REPORT_MAX} runs, not more; send several.`,
);

const TOO_EARLY = refuse(
  "state_conflict",
  "Reports need version 3 of the cluster: tq-admin upgrade finalize.",
);

export function report(s: QueueState, { session, runs }: Report): Reply {
  // The records of earlier versions have no room for it.
  if (s.version < 3) return TOO_EARLY;
  if (runs.length > RUNS_PER_REPORT_MAX) return TOO_MANY_RUNS;
  let noted = 0;
  for (const run of runs) {
    const slot = findRun(s, run.id, run.token);
    if (slot === NONE || s.sessions.ofSlot(slot).record.id !== session) continue;
    if (noteRun(s, slot, run)) noted++;
  }
  return noted === 0 ? DONE_BEFORE : DONE;
}
