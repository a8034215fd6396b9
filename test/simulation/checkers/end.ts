/**
 * What must hold when everything has come to rest: every node that is well has the same state,
 * which is that of the model; every promise was kept; and what is on each disk, loaded anew, is
 * that state.
 */
import type {
  QueueMachine,
  TaskContent,
  TaskView,
} from "../../../packages/broker/src/queue/index.ts";
import { stateOf } from "../boot.ts";
import type { SimulatedNode } from "../node.ts";
import { demand } from "../violation.ts";
import { checkDeep, type Inspector } from "./inspector.ts";
import type { Ledger } from "./ledger.ts";
import { isFinal, type LedgerTask } from "./ledger-task.ts";
import { sameBytes } from "./log.ts";

export function checkEnd(inspector: Inspector, well: readonly SimulatedNode[]): void {
  const { ledger, model, promises, log, applied } = inspector;
  promises.finish();
  const first = well[0]!.replica!.queue;
  model.compare(first);
  checkTasks(ledger, first);
  const wanted = contentOf(ledger, first);
  for (const { id, replica, disk } of well) {
    const restarted = stateOf(disk);
    for (const queue of [replica!.queue, restarted]) {
      checkDeep(id, queue);
      // Entries without commands need no flush.
      const wantedHash = log.hashAt(queue === restarted ? disk.mark.applied : applied);
      demand(queue.effectHash === wantedHash, "state machine safety", () => {
        return `${id} ends with effect hash ${queue.effectHash}, not ${wantedHash}`;
      });
      const content = contentOf(ledger, queue);
      demand(content === wanted, "state machine safety", () => {
        const restart = queue === restarted ? " after a restart" : "";
        return `the tasks of ${id}${restart} differ: ${firstDifference(content, wanted)}`;
      });
    }
  }
}

/** The views agree with what the log said happened, and no others exist. */
function checkTasks(ledger: Ledger, queue: QueueMachine): void {
  let present = 0;
  for (const task of ledger.tasks.values()) {
    const view = queue.task(task.submit.id);
    demand((view === undefined) === task.deleted, "no lost submit", () => {
      return view === undefined ? "a task is gone" : "a deleted task is there";
    });
    if (view === undefined) continue;
    present++;
    checkTask(task, view);
  }
  const counted = Object.values(queue.counts()).reduce((sum, count) => sum + count, 0);
  demand(counted === present, "no invented task", () => `${counted} tasks, known are ${present}`);
}

function checkTask(task: LedgerTask, view: TaskView): void {
  demand(isFinal(task) && view.state === task.state, "exactly one place", () => {
    return `a task is ${view.state}, by its history ${task.state}`;
  });
  demand(view.queue === task.queue, "exactly one place", () => {
    return `a task is in ${view.queue}, by its history in ${task.queue}`;
  });
  demand(view.attempt === task.grants, "attempts", () => {
    return `a task says ${view.attempt} attempts, ${task.grants} leases were granted`;
  });
  demand(view.failures === task.failures, "attempts", () => {
    return `a task says ${view.failures} failures, ${task.failures} happened`;
  });
}

/** All tasks as text, in the order of their submits. */
function contentOf(ledger: Ledger, queue: QueueMachine): string {
  const lines: string[] = [];
  for (const { submit } of ledger.tasks.values()) {
    const view = queue.task(submit.id);
    lines.push(view === undefined ? "gone" : textOf(view, submit.content));
  }
  // In no order that is promised.
  const queues = queue.queues().map((each) => JSON.stringify(each));
  lines.push(...queues.sort(), JSON.stringify(queue.counts()));
  return lines.join("\n");
}

function textOf(view: TaskView, submitted: TaskContent): string {
  const { state, content, attempt, failures, attempts, result, error } = view;
  const isSame = sameBytes(content.payload, submitted.payload) ? "as submitted" : "other payload";
  const times = [view.createdAt, view.updatedAt, view.startedAt, view.finishedAt, view.dueAt];
  const runs = attempts.map((run) => {
    const { number, session, token, startedAt, endedAt, outcome } = run;
    return `${number} ${session} ${token} ${startedAt} ${endedAt} ${outcome} ${run.error?.message}`;
  });
  const ends = `${result?.bytes.join()} ${error?.message}`;
  const place = `${view.queue} of ${content.queue}`;
  const head = `${place} ${content.type} ${content.priority} ${isSame}`;
  return `${head} ${state} ${attempt} ${failures} ${times.join()} ${ends} [${runs.join()}]`;
}

function firstDifference(one: string, other: string): string {
  const ones = one.split("\n");
  const others = other.split("\n");
  const at = ones.findIndex((line, index) => line !== others[index]);
  return `${ones[at]?.slice(0, 600)} instead of ${others[at]?.slice(0, 600)}`;
}
