/** The naive model's opinion on when waiting tasks are given up. */
import type { NaiveModel } from "./naive-model.ts";
import { FINAL, type Task } from "./naive-state.ts";

export function hasExpired(model: NaiveModel, task: Task): boolean {
  return task.expiresAt > 0 && task.expiresAt <= model.now;
}

/** Of the waiting tasks that are too late the one that has been for longest. */
export function nextToExpire(model: NaiveModel): Task | undefined {
  const late = model.tasks.filter((task) => {
    const waits = !FINAL.includes(task.state) && task.state !== "running";
    return waits && !task.deleted && hasExpired(model, task);
  });
  return late.sort((a, b) => a.expiresAt - b.expiresAt || a.order - b.order)[0];
}
