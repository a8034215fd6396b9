/** The naive model's opinion on dead letter queues. */
import type { TaskError } from "../../src/queue/task.ts";
import type { NaiveModel } from "./naive-model.ts";
import { saidOf } from "./naive-queues.ts";
import type { Task } from "./naive-state.ts";
import { forgetGroups, join } from "./naive-turns.ts";

/** The task would be dead now. */
export function giveUp(model: NaiveModel, task: Task, error: TaskError): void {
  const way = wayFrom(model, task.queue);
  if (model.version < 3 || way.length === 0 || way.includes(task.queue)) {
    model.finish(task, "dead", error);
    return;
  }
  task.queue = way[0]!;
  task.isDeadLetter = true;
  task.failures = 0;
  task.deliveries = 0;
  task.expiresAt = 0;
  join(model, task);
  forgetGroups(model);
  model.move(task, "pending");
}

/** The dead letter queues behind a queue, up to the first that comes a second time. */
function wayFrom(model: NaiveModel, queue: string): string[] {
  const way: string[] = [];
  let name = saidOf(model, queue).settings.deadLetterQueue;
  while (name !== "" && !way.includes(name)) {
    way.push(name);
    name = saidOf(model, name).settings.deadLetterQueue;
  }
  return way;
}
