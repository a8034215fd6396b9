/** Reads a task after a write to it, on this node, at or above the write's place in the log. */
import { TqError } from "task-queue-protocol";
import type { TaskId, TaskView } from "../queue/index.ts";
import type { Broker } from "./broker.ts";
import type { Answer } from "./read-options.ts";

/** `value` is undefined when the task is gone by then. */
export function readBack(
  broker: Broker,
  id: TaskId,
  index: number,
): Promise<Answer<TaskView | undefined>> {
  return readAfter(broker, index, () => broker.task(id));
}

/** The same of anything that this node knows. */
export async function readAfter<T>(
  broker: Broker,
  index: number,
  read: () => T | Promise<T>,
): Promise<Answer<T>> {
  const applied = await caughtUp(broker, index);
  return { value: await read(), index: applied };
}

/** Resolves with what this node has applied by then. */
export async function caughtUp(broker: Broker, index: number): Promise<number> {
  try {
    return await broker.readBarrier("stale", index);
  } catch (error) {
    // `no_leader` promises that nothing was done, and this write was done.
    if (!(error instanceof TqError && error.code === "no_leader")) throw error;
    const message = "the change was made, but this node has not caught up with it yet";
    throw new TqError("outcome_unknown", message, { cause: error });
  }
}
