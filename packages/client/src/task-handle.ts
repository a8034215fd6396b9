/** One task as its submitter holds it. Everything but the id is asked of the cluster anew. */
import type { TaskJson, TaskStateName } from "task-queue-protocol";
import { TaskFailed } from "./errors.ts";

export interface WaitOptions {
  /** Give up after this long; default is never. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a handle needs of the client. */
export interface TaskCalls {
  get(id: string): Promise<TaskJson>;
  wait(id: string, options?: WaitOptions): Promise<TaskJson>;
  cancel(id: string, reason?: string): Promise<TaskJson>;
  retry(id: string): Promise<TaskJson>;
}

export class TaskHandle<R = unknown> {
  readonly id: string;
  /** State when the submit was answered. */
  readonly state: TaskStateName;
  /** It had been submitted before, under this id or its idempotency key. */
  readonly duplicate: boolean;
  readonly #client: TaskCalls;

  constructor(client: TaskCalls, id: string, state: TaskStateName, duplicate: boolean) {
    this.#client = client;
    this.id = id;
    this.state = state;
    this.duplicate = duplicate;
  }

  get(): Promise<TaskJson> {
    return this.#client.get(this.id);
  }

  wait(options?: WaitOptions): Promise<TaskJson> {
    return this.#client.wait(this.id, options);
  }

  /** The result once it is completed; throws `TaskFailed` when it ended otherwise. */
  async result(options?: WaitOptions): Promise<R> {
    return toResult(await this.wait(options)) as R;
  }

  cancel(reason?: string): Promise<TaskJson> {
    return this.#client.cancel(this.id, reason);
  }

  retry(): Promise<TaskJson> {
    return this.#client.retry(this.id);
  }
}

/** JSON as its value, bytes as a `Uint8Array`. */
export function toResult(task: TaskJson): unknown {
  if (task.state !== "completed") throw new TaskFailed(task);
  if (task.result_base64 === undefined) return task.result;
  return new Uint8Array(Buffer.from(task.result_base64, "base64"));
}
