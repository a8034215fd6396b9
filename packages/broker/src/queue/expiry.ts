/**
 * When waiting tasks are given up: those that can expire stand in a heap of their own, besides the
 * place where they wait. A run is left alone; once it is over, and the task would wait again, its
 * time is over too.
 */
import { NONE } from "./live-table.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { QueueState } from "./state.ts";
import type { ClusterTime, TaskContent } from "./task.ts";

/** The task waits from now on: scheduled, blocked, pending or retrying. */
export function watchExpiry(s: QueueState, slot: number): void {
  const { table } = s;
  if (table.expiresAt[slot]! > 0 && table.expiryAt[slot] === NONE) s.expiries.push(slot);
}

/** It waits no more: it runs, or has ended. */
export function unwatchExpiry(s: QueueState, slot: number): void {
  if (s.table.expiryAt[slot] !== NONE) s.expiries.remove(slot);
}

/** From its expiry on a task must not begin to run, even if no wake has come to end it. */
export function hasExpired(s: QueueState, slot: number): boolean {
  const at = s.table.expiresAt[slot]!;
  return at > 0 && at <= s.clock;
}

/** When the next waiting task expires; Infinity = none can. */
export function nextExpiry({ expiries, table }: QueueState): ClusterTime {
  return expiries.top === NONE ? Number.POSITIVE_INFINITY : table.expiresAt[expiries.top]!;
}

/** The same, or when the next task is due, whichever comes first. */
export function nextTimer(s: QueueState): ClusterTime {
  const { timers, table } = s;
  const expiry = nextExpiry(s);
  return timers.top === NONE ? expiry : Math.min(expiry, table.timerAt[timers.top]!);
}

/** The instant from which on a new task is not to begin; 0 = never. */
export function expiryOf(
  s: QueueState,
  { expiresAt, expiresInMs }: TaskContent,
  { defaultTtlMs }: QueueSettings,
): ClusterTime {
  if (expiresAt > 0) return s.after(expiresAt - s.clock);
  if (expiresInMs > 0) return s.after(expiresInMs);
  return defaultTtlMs > 0 ? s.after(defaultTtlMs) : 0;
}
