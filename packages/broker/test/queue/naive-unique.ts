/** The naive model's opinion on unique keys. */
import type { TaskContent, TaskId, TaskState } from "../../src/queue/task.ts";
import type { NaiveModel } from "./naive-model.ts";
import { FINAL, hex, refused, type Task } from "./naive-state.ts";

interface Holder {
  readonly id: TaskId;
  /** undefined: deleted. */
  readonly state: TaskState | undefined;
  readonly waits: boolean;
}

/** Who has the unique key that this content asks for. */
export function holderOf(model: NaiveModel, content: TaskContent): Holder | undefined {
  const taken = model.uniques.get(keyOf(content));
  if (content.unique === undefined || taken === undefined) return undefined;
  const task = model.find(taken.id);
  const state = task === undefined || task.deleted ? undefined : task.state;
  // A dead letter has no part in the queue any more, even if it comes back to it.
  const isLive = state !== undefined && !FINAL.includes(state) && !task?.isDeadLetter;
  if (!isLive && taken.until <= model.now) return undefined;
  return { id: taken.id, state, waits: isLive && state !== "running" };
}

export function take(model: NaiveModel, id: TaskId, content: TaskContent): void {
  const { unique } = content;
  if (unique === undefined) return;
  const until = unique.forMs > 0 ? model.now + unique.forMs : 0;
  model.uniques.set(keyOf(content), { id, until });
}

/** A finished task is to be started again. */
export function takeBack(model: NaiveModel, { id, content, queue }: Task) {
  if (content.unique === undefined || queue !== content.queue) return undefined;
  const taken = model.uniques.get(keyOf(content));
  if (taken !== undefined && hex(taken.id) === hex(id)) return undefined;
  if (holderOf(model, content) !== undefined) return refused("state_conflict");
  model.uniques.set(keyOf(content), { id, until: 0 });
  return undefined;
}

/** The tasks whose keys went to new ones end when those are there. */
export function cancelReplaced(model: NaiveModel): void {
  const message = "replaced by another task with the same unique key";
  for (const id of model.replaced.splice(0)) {
    const task = model.tasks.find((other) => hex(other.id) === id);
    if (task !== undefined) model.finish(task, "cancelled", { message, stack: "" });
  }
}

function keyOf({ queue, unique }: TaskContent): string {
  return `${queue} ${unique?.key ?? ""}`;
}
