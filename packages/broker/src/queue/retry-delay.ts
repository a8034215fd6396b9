/**
 * How long a failed task waits: exponential backoff with jitter, as a pure function, because
 * every replica must come to the same instant. The jitter is drawn from the task's id and
 * attempt, not from dice, and powers are multiplied out: `Math.pow` may differ between two
 * versions of an engine.
 */
import { TIME_MAX } from "./limits.ts";
import type { RetryPolicy, TaskId } from "./task.ts";

/** Beyond this many retries the delay stays as it is, whatever the multiplier. */
const STEPS_MAX = 10_000;

/** The wait after failure number `failures`, counted from 1. */
export function retryDelayMs(
  policy: RetryPolicy,
  failures: number,
  id: TaskId,
  attempt: number,
): number {
  const base = Math.min(policy.maxDelayMs, backoffMs(policy, failures));
  const delay = base + base * policy.jitter * jitterShare(id, attempt);
  return Math.floor(Math.min(delay, TIME_MAX));
}

function backoffMs(policy: RetryPolicy, failures: number): number {
  const { initialDelayMs, multiplier, maxDelayMs } = policy;
  if (multiplier === 1) return initialDelayMs;
  let delay = initialDelayMs;
  const steps = Math.min(failures - 1, STEPS_MAX);
  for (let step = 0; step < steps && delay > 0 && delay < maxDelayMs; step++) delay *= multiplier;
  return delay;
}

/** From 0 to just below 1, evenly spread. */
function jitterShare(id: TaskId, attempt: number): number {
  let hash = Math.imul(attempt + 1, 0x9e3779b1);
  for (const byte of id) hash = Math.imul(hash ^ byte, 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  return (hash >>> 0) / 0x1_0000_0000;
}
