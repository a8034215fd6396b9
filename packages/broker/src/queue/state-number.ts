/**
 * The states of a task as the small numbers that tables and records hold: positions in
 * TASK_STATES.
 */
import type { TaskState } from "./task.ts";
import { TASK_STATES } from "./task.ts";

export const SCHEDULED = TASK_STATES.indexOf("scheduled");
export const BLOCKED = TASK_STATES.indexOf("blocked");
export const PENDING = TASK_STATES.indexOf("pending");
export const RUNNING = TASK_STATES.indexOf("running");
export const RETRYING = TASK_STATES.indexOf("retrying");
export const COMPLETED = TASK_STATES.indexOf("completed");
export const DEAD = TASK_STATES.indexOf("dead");
export const CANCELLED = TASK_STATES.indexOf("cancelled");
export const EXPIRED = TASK_STATES.indexOf("expired");

/** States of tasks that stand in the live table. */
export const LIVE_STATES: readonly number[] = [SCHEDULED, BLOCKED, PENDING, RUNNING, RETRYING];

export function stateName(state: number): TaskState {
  return TASK_STATES[state]!;
}
