/** What a caller may have to catch besides `TqError`: a task that ended other than completed. */
import { type TaskJson, type TaskStateName, TqError } from "task-queue-protocol";

/** Thrown by `result()`: the task is dead, cancelled or expired. */
export class TaskFailed extends Error {
  override readonly name = "TaskFailed";
  readonly task: TaskJson;

  constructor(task: TaskJson) {
    const why = task.error === undefined ? "" : `: ${task.error.message}`;
    super(`task ${task.id} is ${task.state}${why}`);
    this.task = task;
  }

  get state(): TaskStateName {
    return this.task.state;
  }
}

/** The platform's own shape for "the time was up", as `AbortSignal.timeout` throws it. */
export function timeoutError(message: string): DOMException {
  return new DOMException(message, "TimeoutError");
}

export function closedError(): TqError {
  return new TqError("invalid_request", "the client is closed");
}
