/**
 * One task as whoever knows its id can hold it, and as its submitter does. Everything but the id is
 * asked of the cluster anew.
 */
import type { EventJson, GraphJson, TaskJson, TaskStateName } from "task-queue-protocol";
import { TaskFailed } from "./errors.ts";
import type { EventFilter, FollowOptions } from "./follow.ts";

export interface WaitOptions {
  /** Give up after this long; default is never. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ProgressOptions {
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** When a task is to run that waits. */
export type When =
  /** Milliseconds since 1970 or a Date; in the past = now. */
  { readonly runAt: Date | number } | { readonly delayMs: number };

/** What a handle needs of the client. */
export interface TaskCalls {
  get(id: string): Promise<TaskJson>;
  wait(id: string, options?: WaitOptions): Promise<TaskJson>;
  cancel(id: string, reason?: string): Promise<TaskJson>;
  retry(id: string): Promise<TaskJson>;
  reschedule(id: string, when: When): Promise<TaskJson>;
  graph(id: string): Promise<GraphJson>;
  events(filter: EventFilter, options: FollowOptions): AsyncIterable<EventJson>;
}

const PROGRESS_OR_END = "progress,completed,dead,cancelled,expired";

export class TaskReference<R = unknown, G = unknown> {
  readonly id: string;
  readonly #client: TaskCalls;

  constructor(client: TaskCalls, id: string) {
    this.#client = client;
    this.id = id;
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

  /**
   * What its handler says of how far it is: the newest word, then each that follows, until the task
   * has ended. Of words that come faster than they are read the newest counts.
   */
  async *progress({ signal }: ProgressOptions = {}): AsyncGenerator<G, void, undefined> {
    const until = new AbortController();
    const end = () => until.abort(signal?.reason);
    if (signal?.aborted === true) end();
    signal?.addEventListener("abort", end);
    const filter = { id: this.id, kind: PROGRESS_OR_END };
    const news = this.#client.events(filter, { signal: until.signal })[Symbol.asyncIterator]();
    try {
      let said = "";
      // Listening begins before the look at the task: what happens in between is not missed.
      for (let next = news.next(); ; next = news.next()) {
        next.catch(() => {});
        const { progress, finished_at } = await this.get();
        const saying = progress === undefined ? "" : JSON.stringify(progress);
        if (progress !== undefined && saying !== said) yield progress.value as G;
        said = saying;
        if (finished_at !== undefined) return;
        await next;
      }
    } finally {
      signal?.removeEventListener("abort", end);
      // Ends the poll under way, which nobody waits for.
      until.abort();
    }
  }

  cancel(reason?: string): Promise<TaskJson> {
    return this.#client.cancel(this.id, reason);
  }

  retry(): Promise<TaskJson> {
    return this.#client.retry(this.id);
  }

  reschedule(when: When): Promise<TaskJson> {
    return this.#client.reschedule(this.id, when);
  }

  /** What it depends on, and what depends on it. */
  graph(): Promise<GraphJson> {
    return this.#client.graph(this.id);
  }

  /** What happens to it, for ever: break off to end it. */
  events(options: FollowOptions = {}): AsyncIterable<EventJson> {
    return this.#client.events({ id: this.id }, options);
  }
}

/** With what the answer to the submit said. */
export class TaskHandle<R = unknown, G = unknown> extends TaskReference<R, G> {
  /** State when the submit was answered. */
  readonly state: TaskStateName;
  /** It had been submitted before, under this id or its idempotency key. */
  readonly duplicate: boolean;

  constructor(client: TaskCalls, id: string, state: TaskStateName, duplicate: boolean) {
    super(client, id);
    this.state = state;
    this.duplicate = duplicate;
  }
}

/** JSON as its value, bytes as a `Uint8Array`. */
export function toResult(task: TaskJson): unknown {
  if (task.state !== "completed") throw new TaskFailed(task);
  if (task.result_base64 === undefined) return task.result;
  return new Uint8Array(Buffer.from(task.result_base64, "base64"));
}

/** As a call says it. Throws `RangeError` for what is no time. */
export function whenToJson(when: When): { run_at: string } | { delay_ms: number } {
  if ("delayMs" in when) return { delay_ms: when.delayMs };
  return { run_at: new Date(when.runAt).toISOString() };
}
