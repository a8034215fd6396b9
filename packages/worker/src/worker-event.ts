/**
 * What a worker tells of its runs and of its connection. Each run that begins is `started`, and
 * ends in exactly one of `completed`, `failed` and `aborted`. The first two come when the cluster
 * has taken the report, so that whoever hears of a completion finds the task completed.
 */
import type { ConnectionEvent, ResultOf, TaskMap, TypeOf } from "task-queue-client";
import type { AbortCause } from "./errors.ts";

/** A type of task with what its handler answers. */
export interface TypedResult {
  readonly type: string;
  readonly result: unknown;
}

/** Of each type of a map; of any type, without a map. */
export type ResultsOf<M extends TaskMap> = {
  [K in TypeOf<M>]: { readonly type: K; readonly result: ResultOf<M, K> };
}[TypeOf<M>];

/** Which run it is: one attempt of one task. */
interface Run<Kind extends string, Type extends string> {
  readonly kind: Kind;
  /** The task's. */
  readonly id: string;
  readonly type: Type;
  readonly queue: string;
  /** From 1, as in `ctx.attempt`. */
  readonly attempt: number;
}

interface Ended<Kind extends string, Type extends string> extends Run<Kind, Type> {
  /** How long the handler ran, in milliseconds. */
  readonly ms: number;
}

interface Failed<Type extends string> extends Ended<"failed", Type> {
  /** What the handler threw; what is no `Error` is the `cause` of one. */
  readonly error: Error;
}

interface Aborted<Type extends string> extends Ended<"aborted", Type> {
  /**
   * As `ctx.signal` says it. The handler may still be at work; and where the answer to its report
   * was lost, the cluster may have taken that.
   */
  readonly why: AbortCause;
}

/** Paused, draining or stopping, and nothing whose outcome counts is at work or left to report. */
interface Drained {
  readonly kind: "drained";
}

/** The connection to the broker that leads: had, lost, or not to be had at `address`. */
interface Connection extends ConnectionEvent {
  readonly kind: "connection";
}

/** By their kinds. */
export interface WorkerEvents<R extends TypedResult = TypedResult> {
  readonly started: Run<"started", R["type"]>;
  /** `result`: the very value that the handler answered, unless middleware replaced it. */
  readonly completed: Ended<"completed", R["type"]> & R;
  readonly failed: Failed<R["type"]>;
  readonly aborted: Aborted<R["type"]>;
  readonly drained: Drained;
  readonly connection: Connection;
}

export type WorkerEventKind = keyof WorkerEvents;
export type WorkerEvent<R extends TypedResult = TypedResult> = WorkerEvents<R>[WorkerEventKind];

export interface EventsOptions {
  /** Ends the iteration by throwing its reason, and is the way to end one that waits. */
  readonly signal?: AbortSignal | undefined;
}

/** In the place of events that a slow reader of `events()` has not got. */
export interface MissedEvents {
  readonly kind: "missed";
  readonly count: number;
}

const EVERY_KIND: Readonly<Record<WorkerEventKind, true>> = {
  started: true,
  completed: true,
  failed: true,
  aborted: true,
  drained: true,
  connection: true,
};

export const WORKER_EVENT_KINDS = Object.keys(EVERY_KIND) as readonly WorkerEventKind[];
