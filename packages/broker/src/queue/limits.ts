/**
 * Every bound of the queue machine, by name. They are part of the replicated behaviour: two
 * replicas with different numbers here would answer the same log differently.
 */

/** How long an id, an idempotency key or a tombstone is remembered, in cluster time. */
export const DEDUP_WINDOW_MS = 24 * 60 * 60 * 1000;

/** How far the time inside a new task's id may run ahead of the cluster's clock. */
export const ID_AHEAD_MS_MAX = 5 * 60 * 1000;

/** Deliveries of one task, releases not counted, after which a lapsed lease ends in `dead`. */
export const DELIVERY_LIMIT = 20;

/** Leases one session may hold: bounds the work of a lapse or an unregister. */
export const LEASES_PER_SESSION_MAX = 10_000;

/** Sessions known at one time. */
export const SESSIONS_MAX = 10_000;

/** Queue and type names one session may list, together. */
export const SESSION_NAMES_MAX = 10_000;

/** Queues that ever held a task. */
export const QUEUES_MAX = 100_000;

/** Pairs of (queue, type) with unfinished tasks. */
export const LANES_MAX = 100_000;

/** Tasks one `wake` may move, whatever it asks for. */
export const WAKE_MAX = 1_000;

/** `lapse` commands proposed at one time. */
export const LAPSES_MAX = 500;

/** Attempts kept of one task: the newest. */
export const ATTEMPTS_KEPT = 20;

export const ERROR_MESSAGE_BYTES_MAX = 4 * 1024;
export const ERROR_STACK_BYTES_MAX = 8 * 1024;
export const CANCEL_REASON_BYTES_MAX = 1024;

/** Contents kept in memory after their flush: number, and weight altogether. No part of replay. */
export const HOT_CONTENTS_MAX = 20_000;
export const HOT_CONTENT_BYTES_MAX = 32 * 1024 * 1024;

/** Last instant a calendar can print; sums of times stop here and so stay exact integers. */
export const TIME_MAX = 8_640_000_000_000_000;
