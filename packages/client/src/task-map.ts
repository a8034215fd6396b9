/**
 * Task types as the compiler sees them: one map from a type's name to its payload and result,
 * shared by those who submit and those who run. It exists for the compiler and for defaults alone;
 * nothing is checked at run time.
 */
import type { PriorityName } from "task-queue-protocol";

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
}

export interface RetryOptions {
  readonly initialDelayMs?: number;
  readonly backoffMultiplier?: number;
  readonly maxDelayMs?: number;
  /** Share of the delay that chance may add, 0 to 1. */
  readonly jitter?: number;
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
