/**
 * From what a caller hands in to tasks on the wire: defaults and schema of the type, the id, then
 * one task at a time, or many together. What cannot be sent is refused before anything is.
 */
import {
  type Calls,
  formatTaskId,
  type SubmitOk,
  type SubmitTask,
  TASK_STATE_NAMES,
  TqError,
} from "task-queue-protocol";
import { invalid } from "./check-options.ts";
import { Gathering } from "./gathering.ts";
import { demandMiddleware, type Middleware, runThrough } from "./middleware.ts";
import { validate } from "./standard-schema.ts";
import { toSubmitJson } from "./submit-json.ts";
import { type SubmitOptions, toSubmitTask } from "./submit-task.ts";
import { type TaskCalls, TaskHandle } from "./task-handle.ts";
import type { PayloadOf, TaskMap, TypeOf } from "./task-map.ts";

export type SubmitItem<M extends TaskMap, K extends TypeOf<M> = TypeOf<M>> = {
  [T in K]: {
    readonly type: T;
    readonly payload: PayloadOf<M, T>;
    readonly options?: Omit<SubmitOptions, "signal">;
  };
}[K];

export interface SubmitManyOptions {
  /** All of them or none; default is each for itself. */
  readonly atomic?: boolean | undefined;
  /** Ends the tries of all, with its reason. Some may have been taken by then. */
  readonly signal?: AbortSignal | undefined;
}

/** How one of many submits ended; the order is that of the items. */
export type SubmitOutcome = TaskHandle | TqError;

/** Of a submit whose result is waited for. */
export interface RunOptions extends SubmitOptions {
  /** Give up waiting for the result after this long; default is never. The task goes on. */
  readonly waitMs?: number | undefined;
}

interface Item {
  readonly type: string;
  readonly payload: unknown;
  readonly options?: SubmitOptions | undefined;
}

/** A submit as middleware sees it. Payload and options may be replaced before `next()`. */
export interface Draft {
  readonly type: string;
  payload: unknown;
  options: SubmitOptions;
  /** From `next()` on. */
  handle: TaskHandle | undefined;
}

export type SubmitMiddleware = Middleware<Draft>;

/** What submissions need of the client. */
export interface SubmitCalls {
  readonly client: TaskCalls;
  submit(
    task: SubmitTask,
    deadlineMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SubmitOk>;
  submitAll(
    params: Calls["submit_all"]["params"],
    signal: AbortSignal | undefined,
  ): Promise<Calls["submit_all"]["answer"]>;
}

export class Submissions<M extends TaskMap> {
  readonly #tasks: M | undefined;
  readonly #mintId: (() => string) | undefined;
  readonly #calls: SubmitCalls;
  readonly #middleware: SubmitMiddleware[] = [];

  constructor(
    { tasks, mintId }: { tasks?: M | undefined; mintId?: (() => string) | undefined },
    calls: SubmitCalls,
  ) {
    this.#tasks = tasks;
    this.#mintId = mintId;
    this.#calls = calls;
  }

  use(middleware: SubmitMiddleware): void {
    demandMiddleware(middleware);
    this.#middleware.push(middleware);
  }

  async one<R, G>(item: Item): Promise<TaskHandle<R, G>> {
    if (this.#middleware.length === 0) return (await this.#send(item)) as TaskHandle<R, G>;
    const draft = toDraft(item);
    await runThrough(this.#middleware, draft, async () => {
      draft.handle = await this.#send(draft);
    });
    if (draft.handle === undefined) throw notSent(draft);
    return draft.handle as TaskHandle<R, G>;
  }

  each(items: Iterable<Item>, signal: AbortSignal | undefined): Promise<SubmitOutcome[]> {
    const submit = (item: Item): Promise<SubmitOutcome> => {
      const heeding =
        signal === undefined ? item : { ...item, options: { ...item.options, signal } };
      return this.one(heeding).catch(onlyTqError);
    };
    return Promise.all(Array.from(items, submit));
  }

  /** All or none: they are sent once the middleware of each has let its own pass. */
  async together(items: Iterable<Item>, signal: AbortSignal | undefined): Promise<TaskHandle[]> {
    const drafts = Array.from(items, toDraft);
    if (this.#middleware.length === 0) await this.#sendAll(drafts, signal);
    else await this.#gather(drafts, signal);
    return drafts.map((draft) => draft.handle as TaskHandle);
  }

  async #gather(drafts: readonly Draft[], signal: AbortSignal | undefined): Promise<void> {
    const gathering = new Gathering(drafts.length, () => this.#sendAll(drafts, signal));
    const pass = async (draft: Draft): Promise<void> => {
      let arrived = false;
      const arrive = (): Promise<void> => {
        arrived = true;
        return gathering.arrive();
      };
      try {
        await runThrough(this.#middleware, draft, arrive);
        if (!arrived || draft.handle === undefined) throw notSent(draft);
      } catch (error) {
        gathering.callOff(error);
        throw error;
      }
    };
    await Promise.all(drafts.map(pass));
  }

  async #send(item: Item): Promise<TaskHandle> {
    const task = this.#toTask(item);
    if (this.#tasks?.[item.type]?.payload !== undefined) await this.#check(item, "payload");
    const { client } = this.#calls;
    const { deadlineMs, signal } = item.options ?? {};
    const { id, state, duplicate } = await this.#calls.submit(task, deadlineMs, signal);
    return new TaskHandle(client, formatTaskId(id), TASK_STATE_NAMES[state]!, duplicate);
  }

  async #sendAll(drafts: readonly Draft[], signal: AbortSignal | undefined): Promise<void> {
    const tasks = drafts.map((draft) => toSubmitJson(this.#toTask(draft)));
    for (const [at, draft] of drafts.entries()) await this.#check(draft, `tasks[${at}].payload`);
    const { client } = this.#calls;
    const made = await this.#calls.submitAll({ tasks }, signal);
    for (const [at, { id, state, duplicate }] of made.tasks.entries()) {
      drafts[at]!.handle = new TaskHandle(client, id, state, duplicate);
    }
  }

  #toTask({ type, payload, options = {} }: Item): SubmitTask {
    const id = options.id ?? this.#mintId?.();
    const said = id === undefined ? options : { ...options, id };
    return toSubmitTask(type, payload, said, this.#tasks?.[type]?.defaults);
  }

  /** What travels is what was handed in: a schema that converts does so once, at the worker. */
  async #check(item: Item, field: string): Promise<void> {
    const schema = this.#tasks?.[item.type]?.payload;
    if (schema === undefined) return;
    await validate(schema, item.payload, (why) => invalid(field, why));
  }
}

function toDraft({ type, payload, options = {} }: Item): Draft {
  return { type, payload, options, handle: undefined };
}

function notSent({ type }: Draft): TqError {
  return new TqError("invalid_request", `middleware did not let a task "${type}" pass: no next()`);
}

function onlyTqError(error: unknown): TqError {
  if (error instanceof TqError) return error;
  throw error;
}
