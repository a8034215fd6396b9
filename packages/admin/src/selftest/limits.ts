/** Every bound of a selftest, by name. */

export const SECONDS = 20;
export const SECONDS_MIN = 5;
/** What is submitted is remembered until the end. */
export const SECONDS_MAX = 600;

/** Tasks a second, and at most so many without an answer. */
export const RATE = 200;
export const RATE_MAX = 2_000;
export const UNANSWERED_MAX = 256;

/** A submit is tried for longer than any fault lasts. */
export const SUBMIT_MS = 30_000;
/** One question to one broker, which may be the one that does not answer. */
export const PROBE_MS = 2_000;
/** Until a broker or the cluster is as it has to be. */
export const RECOVER_MS = 60_000;
/** Until what was submitted is done. */
export const DRAIN_MS = 120_000;
/** Until a broker that was told to stop has stopped. */
export const STOP_MS = 30_000;
export const POLL_MS = 50;

/** What went wrong is told so often by name; the rest is counted. */
export const FAULTS_SHOWN = 5;
/** Of a broker's log, in an error. */
export const LOG_TAIL_CHARS = 2_000;
