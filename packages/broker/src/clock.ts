/**
 * Time as the runtime knows it: the monotonic clock, the wall clock, and a timer, in one object, so
 * that a test can turn the hands itself. The replica is told the time; it never asks.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Calls `act` once, `delayMs` from now. */
  after(delayMs: number, act: () => void): Timer;
}

/** setTimeout fires at once beyond this. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, act) {
    const timer = setTimeout(act, Math.min(Math.max(delayMs, 0), TIMER_MS_MAX));
    return { cancel: () => clearTimeout(timer) };
  },
};
