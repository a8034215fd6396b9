/**
 * Task types as the compiler sees them: one map from a type's name to its payload and result,
 * shared by those who submit and those who run. It exists for the compiler and for defaults alone;
 * nothing is checked at run time.
 */
import type { BackoffName, PriorityName } from "task-queue-protocol";

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

export interface TaskSpec<P, R> {
  readonly defaults: TaskDefaults;
  /** Never there at run time: it carries the types. */
  readonly "~types"?: { readonly payload: P; readonly result: R };
}

export type TaskMap = Readonly<Record<string, TaskSpec<unknown, unknown>>>;

/** A client without a map takes every type, with any payload. */
export type AnyTasks = Readonly<Record<string, TaskSpec<unknown, unknown>>>;

export type TypeOf<M extends TaskMap> = keyof M & string;
export type PayloadOf<M extends TaskMap, K extends TypeOf<M>> =
  M[K] extends TaskSpec<infer P, unknown> ? P : never;
export type ResultOf<M extends TaskMap, K extends TypeOf<M>> =
  M[K] extends TaskSpec<unknown, infer R> ? R : never;

/** One task type: `task<{ to: string }, void>({ queue: "mail" })`. */
export function task<P, R = void>(defaults: TaskDefaults = {}): TaskSpec<P, R> {
  return { defaults };
}

/** The map of all of them. */
export function defineTasks<const M extends TaskMap>(map: M): M {
  return map;
}
