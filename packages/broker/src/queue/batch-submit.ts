/** Several new tasks in one command: all of them are looked at before the first is made. */
import { judge } from "./admission.ts";
import { refuse } from "./answers.ts";
import type { NewTask } from "./command.ts";
import { bytesOf, cancelReplaced, make } from "./creation.ts";
import { NEW_TASKS_MAX } from "./limits.ts";
import { NONE } from "./live-table.ts";
import { findFinished } from "./lookup.ts";
import type { Plan } from "./plan.ts";
import type { Accepted, Refused } from "./reply.ts";
import type { QueueState } from "./state.ts";
import { stateName } from "./state-number.ts";
import type { TaskId, TaskState } from "./task.ts";

const TOO_MANY = refuse("invalid_request", `At most ${NEW_TASKS_MAX} tasks fit into one request.`);

/** What is to become of a task: made, with these bytes, or answered with one that is known. */
export interface Verdict {
  readonly task: NewTask;
  readonly bytes: Uint8Array;
  readonly known: Accepted | undefined;
}

/** The refusal of the first task that cannot be made, with its position, or a verdict for each. */
export function judgeAll(
  s: QueueState,
  tasks: readonly NewTask[],
  plan: Plan,
): readonly Verdict[] | Refused {
  if (tasks.length > NEW_TASKS_MAX) return TOO_MANY;
  const verdicts: Verdict[] = [];
  for (const [at, task] of tasks.entries()) {
    const bytes = bytesOf(task);
    const answer = judge(s, task, bytes, plan);
    if (answer !== undefined && answer.code !== "ok") return { ...answer, at };
    verdicts.push({ task, bytes, known: answer });
  }
  return verdicts;
}

/** Carries the verdicts out; the answers say what is so when all is done. */
export function makeAll(s: QueueState, verdicts: readonly Verdict[], plan: Plan): Accepted[] {
  for (const { task, bytes, known } of verdicts) {
    if (known === undefined) make(s, task, bytes, plan);
  }
  cancelReplaced(s, plan);
  return verdicts.map(({ task, known }) => {
    const id = known?.id ?? task.id;
    const duplicate = known !== undefined;
    const isGone = duplicate && known.state === undefined && plan.contentOf(id) === undefined;
    return { code: "ok", id, state: isGone ? undefined : stateOf(s, id), duplicate };
  });
}

/** What was known of a task before may have changed by what the command did. */
function stateOf(s: QueueState, id: TaskId): TaskState | undefined {
  const slot = s.table.find(id);
  if (slot !== NONE) return stateName(s.table.state[slot]!);
  const finished = findFinished(s, id);
  return finished === undefined ? undefined : stateName(finished.state);
}
