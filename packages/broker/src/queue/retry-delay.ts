/**
 * How long a failed task waits: backoff with jitter, as a pure function, because every replica must
 * come to the same instant. The jitter is drawn from the task's id and attempt, not from dice, and
 * powers are multiplied out: `Math.pow` may differ between two versions of an engine.
 */
import { unreachable } from "./assert.ts";
import { TIME_MAX } from "./limits.ts";
import type { RetryPolicy, TaskId } from "./task.ts";

/** Beyond this many retries the delay stays as it is, whatever the multiplier. */
const STEPS_MAX = 10_000;

/**
 * The wait after failure number `failures`, counted from 1: what the backoff says, at most
 * `maxDelayMs`, and then the jitter. Only `extra` jitter looks at the policy's share, and only it
 * goes beyond the maximum; `full` draws from 0 on, `equal` from the half on.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failures: number,
  id: TaskId,
  attempt: number,
): number {
  const base = Math.min(policy.maxDelayMs, backoffMs(policy, failures));
  const delay = withJitter(policy, base, jitterShare(id, attempt));
  return Math.floor(Math.min(delay, TIME_MAX));
}

function backoffMs(policy: RetryPolicy, failures: number): number {
  const { backoff, initialDelayMs, delaysMs } = policy;
  switch (backoff) {
    case "exponential":
      return exponentialMs(policy, failures);
    case "linear":
      return initialDelayMs * failures;
    case "fixed":
      return initialDelayMs;
    case "list":
      // A queue's settings may bring the word and nobody the list.
      return delaysMs[Math.min(failures, delaysMs.length) - 1] ?? initialDelayMs;
    default:
      return unreachable(backoff);
  }
}

function exponentialMs(policy: RetryPolicy, failures: number): number {
  const { initialDelayMs, multiplier, maxDelayMs } = policy;
  if (multiplier === 1) return initialDelayMs;
  let delay = initialDelayMs;
  const steps = Math.min(failures - 1, STEPS_MAX);
  for (let step = 0; step < steps && delay > 0 && delay < maxDelayMs; step++) delay *= multiplier;
  return delay;
}

function withJitter({ jitterKind, jitter }: RetryPolicy, base: number, share: number): number {
  switch (jitterKind) {
    case "extra":
      // Nothing of a share that is too large to be told would be no number.
      return share === 0 ? base : base + base * jitter * share;
    case "full":
      return base * share;
    case "equal":
      return base / 2 + (base / 2) * share;
    default:
      return unreachable(jitterKind);
  }
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
