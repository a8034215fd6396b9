/**
 * `expunge`: retention takes finished tasks, or only their results or log lines. What the leader
 * found is looked at again: a task that was started again since, or has ended another time, stays.
 */
import { DONE, DONE_BEFORE, refuse } from "../answers.ts";
import { encodeFinishedRecord, type FinishedRecord } from "../codec/finished-record.ts";
import type { Expunge } from "../command.ts";
import { fingerprint } from "../fingerprint.ts";
import { resultLeavesHistory } from "../history-index.ts";
import { FINISHED, taskKey } from "../keys.ts";
import { EXPUNGE_MAX } from "../limits.ts";
import { NONE } from "../live-table.ts";
import { findFinished } from "../lookup.ts";
import { removeLogLines } from "../notes.ts";
import { bury } from "../removal.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import type { TaskId } from "../task.ts";

const TOO_MANY = refuse("invalid_request", `An expunge is of ${EXPUNGE_MAX} tasks at most.`);
/** Nobody's: no later `delete` is a copy of it. */
const NO_REQUEST = fingerprint(new Uint8Array(0));

export function expunge(s: QueueState, { what, tasks }: Expunge): Reply {
  if (tasks.length > EXPUNGE_MAX) return TOO_MANY;
  let changed = false;
  for (const { id, finishedAt } of tasks) {
    const record = s.table.find(id) === NONE ? findFinished(s, id) : undefined;
    if (record === undefined || record.at !== finishedAt) continue;
    if (take(s, what, id, record)) changed = true;
  }
  return changed ? DONE : DONE_BEFORE;
}

/** False when it was gone before. */
function take(s: QueueState, what: Expunge["what"], id: TaskId, record: FinishedRecord): boolean {
  if (what === "task") {
    bury(s, id, record, NO_REQUEST);
    return true;
  }
  if (what === "result") {
    if (record.result === undefined) return false;
    resultLeavesHistory(s, record);
    rewrite(s, id, { ...record, result: undefined });
    return true;
  }
  if (record.logLines === 0) return false;
  removeLogLines(s, id, record.logLines);
  rewrite(s, id, { ...record, logLines: 0 });
  return true;
}

function rewrite(s: QueueState, id: TaskId, record: FinishedRecord): void {
  s.overlay.put(taskKey(FINISHED, id), encodeFinishedRecord(record));
}
