/** Every bound of `tq-admin bench`, by name. */

export const COUNT = 10_000;
/** Its times are kept until the end, and its tasks are deleted one by one. */
export const COUNT_MAX = 1_000_000;

export const OUTSTANDING = 128;
/** What the client has on its way at most. */
export const OUTSTANDING_MAX = 8_192;

/** Of a payload in bytes, its number included. */
export const SIZE = 200;
export const SIZE_MIN = 32;
export const SIZE_MAX = 3 * 1024 * 1024;

export const RATE_MAX = 1_000_000;

/** The whole of it, but for the clearing up. */
export const TIMEOUT_MS = 10 * 60_000;
/** One request before the first task: a cluster that has a leader answers at once. */
export const CHECK_MS = 8_000;
/** One request of the clearing up. */
export const CLEAR_MS = 30_000;
/** The same when the cluster had stopped answering: more waiting would tell no more. */
export const CLEAR_STALLED_MS = 5_000;
/** One submit. */
export const SUBMIT_MS = 15_000;
/** Without an answer and without a task handled; any election is over much sooner. */
export const STALL_MS = 15_000;
/** Until a broker has taken the worker in. */
export const WORKER_MS = 15_000;
/** Of the worker in this program. */
export const CONCURRENCY = 64;
