/**
 * Time as the worker knows it: monotonic milliseconds and timers, in one object so that tests turn
 * the hands themselves. Wall-clock time is not here on purpose: leases are measured as spans, and a
 * stepped clock must not end them.
 */
import { performance } from "node:perf_hooks";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls `callback` once this turn's input has been dealt with. */
  soon(callback: () => void): void;
}

/** Greater delays overflow Node's timers and would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), TIMER_MS_MAX));
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (callback) => {
    setImmediate(callback);
  },
};
