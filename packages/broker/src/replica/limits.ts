/** Every bound of the replica, by name. None of them changes what a command does, only when. */

/**
 * An entry is closed when its commands reach this; a single larger command still gets its entry.
 */
export const ENTRY_BYTES_MAX = 1024 * 1024;

/** Writes waiting for an answer on this node, local and forwarded; beyond: `overloaded`. */
export const REQUESTS_MAX = 100_000;

/** Bytes of writes that wait to be proposed, or for another node's answer; beyond: `overloaded`. */
export const QUEUED_BYTES_MAX = 8 * 1024 * 1024;

/** Commands in one entry. */
export const ENTRY_COMMANDS_MAX = 10_000;

/**
 * Entries proposed and not yet committed. Beyond it writes pile up outside the log, where they
 * become one large entry, or expire without leaving anything behind. In the log they would be
 * replicated even when nobody waits for them any more, and a slow link would carry nothing but
 * repetitions.
 */
export const ENTRIES_UNCOMMITTED_MAX = 8;

/** A write is kept and sent again to new leaders for this long, then its outcome is unknown. */
export const REQUEST_DEADLINE_MS = 5_000;

/** A forwarded write that is not answered within this is sent again: it may have been lost. */
export const FORWARD_RESEND_MS = 1_000;

/** Pause before a write that the leader would not take is forwarded again. */
export const FORWARD_RETRY_MS = 50;

/** A linearizable read waits this long for a leader to confirm it. */
export const READ_DEADLINE_MS = 5_000;

/** Pause before an unconfirmed read is asked for again. */
export const READ_RETRY_MS = 100;

/** Reads waiting at one time; beyond: refused at once. */
export const READS_MAX = 100_000;

/** Heartbeats of at most this long share one `renew` command. */
export const RENEW_FOLD_MS = 1_000;

/** State is flushed this long after the first change that is not on disk. */
export const FLUSH_INTERVAL_MS = 50;

/** A flush overdue by this much holds back apply until the log on disk has caught up with it. */
export const FLUSH_OVERDUE_MS = 1_000;

/** Wall clocks that differ by more than this deserve a warning. */
export const CLOCK_ALARM_MS = 60_000;

/** A follower that has applied everything but this many entries counts as caught up. */
export const CAUGHT_UP_ENTRIES = 1_000;
