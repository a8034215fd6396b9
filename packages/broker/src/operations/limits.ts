/** Every bound on what a caller may send, by name. Beyond each the answer is `invalid_request`. */

/** A type or queue name; also the alphabet: `A-Za-z0-9._:-`. */
export const NAME_LENGTH_MAX = 200;
export const IDEMPOTENCY_KEY_BYTES_MAX = 255;
export const TAGS_MAX = 20;
export const TAG_LENGTH_MAX = 100;
export const METADATA_BYTES_MAX = 16 * 1024;
export const RETRIES_MAX = 1000;
export const BACKOFF_MULTIPLIER_MAX = 100;
/** Objects and arrays inside each other, in a payload or in metadata. */
export const NESTING_MAX = 32;
/** The same in a worker's result, which is not refused beyond: it is shown as base64. */
export const RESULT_NESTING_MAX = 1000;
/** Delays, timeouts, and how far ahead `run_at` may lie: ten years. */
export const DURATION_MS_MAX = 10 * 365 * 24 * 60 * 60 * 1000;
export const CANCEL_REASON_BYTES_MAX = 1024;

export const BATCH_TASKS_MAX = 1000;

export const LIST_LIMIT_MAX = 1000;
export const LIST_LIMIT_DEFAULT = 100;
/** Payload and result bytes on one page of a list that asks for them; the page ends early. */
export const LIST_BYTES_MAX = 8 * 1024 * 1024;
/** Looks at the broker for one page; a page that is short after that many carries a cursor. */
export const LIST_ROUNDS_MAX = 50;

/** The longest wait for a task to finish: load balancers cut a silent request at 50 s. */
export const WAIT_MS_MAX = 45_000;
