/**
 * `deleteQueue`: the queue goes with its settings; only when no task, live or finished, is in it.
 * What is made under its name later begins with a revision that no command for this one can name.
 */
import { DONE, DONE_BEFORE, queueChanged, refuse } from "../answers.ts";
import type { DeleteQueue } from "../command.ts";
import { groupKey, namedKey, QUEUE } from "../keys.ts";
import type { Reply } from "../reply.ts";
import type { QueueState } from "../state.ts";
import { TASK_STATES } from "../task.ts";

export function deleteQueue(s: QueueState, { queue: name, ifRevision }: DeleteQueue): Reply {
  const queue = s.lanes.queues.get(name);
  if (queue === undefined) return DONE_BEFORE;
  if (ifRevision !== undefined && ifRevision !== queue.revision)
    return queueChanged(queue.revision);
  const held = TASK_STATES.flatMap((state, at) => {
    const count = queue.counts[at]!;
    return count > 0 ? [`${count} ${state}`] : [];
  });
  if (held.length > 0) {
    const tasks = held.join(", ");
    return refuse(
      "state_conflict",
      `The queue is not empty: ${tasks}; purge or delete them first.`,
    );
  }
  s.lanes.drop(queue);
  // Nobody says anything of a queue before version 3.
  if (s.version >= 3) s.lanes.freshRevision = Math.max(s.lanes.freshRevision, queue.revision + 1);
  s.dirtyQueues.delete(queue);
  s.overlay.delete(namedKey(QUEUE, name));
  s.lanes.groups.dirty.delete(queue.ungrouped);
  if (queue.ungrouped.isStored) s.overlay.delete(groupKey(name, ""));
  return DONE;
}
