/** Bounds on how long a test's broker goes on by itself. */

/** Turns of the event loop without anything said or done: then it is quiet. */
export const QUIET_TURNS = 8;
/** Turns until it must have become quiet once: beyond it something spins. */
export const TURNS_MAX = 100_000;
/** `runAll` gives up when this much time has passed on the test's clock. */
export const RUN_ALL_MS_MAX = 400 * 24 * 60 * 60 * 1000;
/** `idle` gives up after this long, in real time. */
export const IDLE_MS_MAX = 10_000;
