/**
 * Task types as the compiler sees them: one map from a type's name to its payload, result and
 * progress, shared by those who submit and those who run. At run time it has defaults, and the
 * schemas of those types that want to be checked.
 */
import type { BackoffName, PriorityName } from "task-queue-protocol";
import type { InputOf, OutputOf, StandardSchema } from "./standard-schema.ts";

/** What every submit of a type takes unless it says otherwise. */
export interface TaskDefaults {
  readonly queue?: string;
  readonly priority?: PriorityName;
  /** A run longer than this is a failure. */
  readonly timeoutMs?: number;
  /** Retries after the first attempt, 0 to 1,000. */
  readonly maxRetries?: number;
  readonly retry?: RetryOptions;
  readonly tags?: readonly string[];
  /** Not begun after so long it is expired. */
  readonly expiresInMs?: number;
  /** On whose behalf: groups of a queue take turns, and share its limits. */
  readonly group?: string;
  /** `key=value`, all of which a worker must have. */
  readonly requiredLabels?: readonly string[];
}

export interface RetryOptions {
  readonly initialDelayMs?: number;
  readonly backoffMultiplier?: number;
  readonly maxDelayMs?: number;
  /** How the waits grow; default exponential. */
  readonly backoff?: BackoffName;
  /** Of backoff `list`: 1 to 100 waits, of which the last stands for all that follow. */
  readonly delaysMs?: readonly number[];
  /** Share of the wait that chance may add, 0 to 1; `full` draws from all of it. */
  readonly jitter?: number | "none" | "full" | "equal";
}

/**
 * `Payload` is what is submitted, `Received` what the handler gets of it: the same unless a schema
 * fills in or converts.
 */
export interface TaskSpec<Payload, Result, Progress = unknown, Received = Payload> {
  readonly defaults: TaskDefaults;
  /** Checks payloads before they are sent and before the handler; the handler gets its output. */
  readonly payload?: StandardSchema<unknown, unknown> | undefined;
  /** Checks results before they are sent, and changes nothing. */
  readonly result?: StandardSchema<unknown, unknown> | undefined;
  /** Never there at run time: it carries the types. */
  readonly "~types"?: {
    readonly payload: Payload;
    readonly result: Result;
    readonly progress: Progress;
    readonly received: Received;
  };
}

export type TaskMap = Readonly<Record<string, TaskSpec<unknown, unknown>>>;

/** A client without a map takes every type, with any payload. */
export type AnyTasks = Readonly<Record<string, TaskSpec<unknown, unknown>>>;

type Types<S> = S extends { readonly "~types"?: infer T } ? NonNullable<T> : never;

export type TypeOf<M extends TaskMap> = keyof M & string;
export type PayloadOf<M extends TaskMap, K extends TypeOf<M>> = Types<M[K]>["payload"];
export type ResultOf<M extends TaskMap, K extends TypeOf<M>> = Types<M[K]>["result"];
export type ProgressOf<M extends TaskMap, K extends TypeOf<M>> = Types<M[K]>["progress"];
export type ReceivedOf<M extends TaskMap, K extends TypeOf<M>> = Types<M[K]>["received"];

/** One task type: `task<{ to: string }, void>({ queue: "mail" })`. */
export function task<Payload, Result = void, Progress = unknown>(
  defaults: TaskDefaults = {},
): TaskSpec<Payload, Result, Progress> {
  return { defaults };
}

/**
 * One task type that is checked at run time, too: `taskWith({ payload: z.object({ … }) })`. Throws
 * `TypeError` for what is no schema.
 */
export function taskWith<
  P extends StandardSchema<unknown, unknown>,
  R extends StandardSchema<unknown, unknown> = StandardSchema<void>,
  Progress = unknown,
>(
  schemas: { readonly payload: P; readonly result?: R },
  defaults: TaskDefaults = {},
): TaskSpec<InputOf<P>, InputOf<R>, Progress, OutputOf<P>> {
  const { payload, result } = schemas;
  demandSchema("payload", payload);
  if (result !== undefined) demandSchema("result", result);
  return { defaults, payload, result };
}

function demandSchema(name: string, schema: StandardSchema<unknown, unknown>): void {
  if (schema?.["~standard"]?.version === 1) return;
  throw new TypeError(`${name}: it is no schema that follows Standard Schema, version 1`);
}

/** The map of all of them. */
export function defineTasks<const M extends TaskMap>(map: M): M {
  return map;
}
