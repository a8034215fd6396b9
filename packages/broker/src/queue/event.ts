/**
 * What happened while a batch was applied. Events are data: followers drop most of them, the
 * leader's dispatcher turns them into deliveries and signals. `slot` is the task's place in the
 * live table (valid until the next apply).
 */
import type { TaskId, TaskState, Token } from "./task.ts";

/**
 * A task may be leased now. `lane` identifies its (queue, type) pair; one object serves all its
 * events.
 */
export interface ReadyEvent {
  readonly type: "ready";
  readonly lane: number;
}

export interface LeasedEvent {
  readonly type: "leased";
  readonly session: string;
  readonly slot: number;
  readonly id: TaskId;
  readonly token: Token;
}

/** A running task stopped running by somebody else's hand: its worker must be told. */
export interface LeaseLostEvent {
  readonly type: "leaseLost";
  readonly session: string;
  readonly id: TaskId;
  readonly token: Token;
  readonly reason: "cancelled" | "timeout" | "lapsed";
}

/** A task reached a final state. */
export interface FinishedEvent {
  readonly type: "finished";
  readonly id: TaskId;
  readonly state: TaskState;
}

/** A session is gone: unregistered or lapsed. */
export interface SessionEndedEvent {
  readonly type: "sessionEnded";
  readonly session: string;
  readonly lapsed: boolean;
}

export type QueueEvent =
  | ReadyEvent
  | LeasedEvent
  | LeaseLostEvent
  | FinishedEvent
  | SessionEndedEvent;
