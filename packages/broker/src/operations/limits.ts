/** Every bound on what a caller may send, by name. Beyond each the answer is `invalid_request`. */

/** A type or queue name; also the alphabet: `A-Za-z0-9._:-`. */
export const NAME_LENGTH_MAX = 200;
export const IDEMPOTENCY_KEY_BYTES_MAX = 255;
export const UNIQUE_KEY_BYTES_MAX = 255;
/** Name of a group. */
export const GROUP_BYTES_MAX = 255;
export const REQUIRED_LABELS_MAX = 20;
export const PARENTS_MAX = 1000;
export const RETRY_DELAYS_MAX = 100;
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

/** Of a change without a condition, when others change the same thing at the same time. */
export const CHANGE_TRIES_MAX = 20;

export const BATCH_TASKS_MAX = 1000;
/** Contents of tasks that are made together: they travel in one message between brokers. */
export const ATOMIC_BYTES_MAX = 4 * 1024 * 1024;
/** Parents that one request looks up to tell which have completed; some 20 ms at most. */
export const PARENT_LOOKUPS_MAX = 2000;

/** Numbers in the settings of a queue that are no length of time. */
export const SETTING_MAX = 1_000_000_000_000;
/** Of a queue against others, and of a group against others of its queue; at least 1. */
export const WEIGHT_MAX = 1000;

export const LIST_LIMIT_MAX = 1000;
export const LIST_LIMIT_DEFAULT = 100;
/** Payload and result bytes on one page of a list that asks for them; the page ends early. */
export const LIST_BYTES_MAX = 8 * 1024 * 1024;
/** Tasks a second that a job may be told to change. */
export const JOB_RATE_MAX = 1_000_000;
/** Groups of errors in one answer. */
export const ERROR_GROUPS_MAX = 1000;
/** Looks at the broker for one page; a page that is short after that many carries a cursor. */
export const LIST_ROUNDS_MAX = 50;

/** Of one graph: tasks, steps to either side, and parents that all of them name. */
export const GRAPH_NODES_MAX = 1000;
export const GRAPH_STEPS_MAX = 100;
export const GRAPH_LINKS_MAX = 10_000;

/** Who follow the feed of this node at one time, by any door; of more: `overloaded`. */
export const EVENT_STREAMS_MAX = 100;
export const EVENTS_LIMIT_MAX = 1000;
export const EVENTS_LIMIT_DEFAULT = 100;
export const EVENT_KINDS_MAX = 20;
/** A follower looks at the feed this often at most: so events come in batches. */
export const EVENTS_PAUSE_MS = 20;

export const LOG_LIMIT_MAX = 1000;
export const LOG_LIMIT_DEFAULT = 100;

/** Keys of the configuration: each is tried on a key that nobody has shown before. */
export const API_KEYS_MAX = 64;

/** The longest wait for a task to finish: load balancers cut a silent request at 50 s. */
export const WAIT_MS_MAX = 45_000;
