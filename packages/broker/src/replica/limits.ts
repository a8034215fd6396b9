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

/**
 * So many entries are flushed even if they have changed nothing, or the log that they fill could
 * never be compacted.
 */
export const FLUSH_ENTRIES_MAX = 1_000;

/** A flush overdue by this much holds back apply until the log on disk has caught up with it. */
export const FLUSH_OVERDUE_MS = 1_000;

/**
 * What is applied in one go, of which a turn has two; some 15 ms. A node that has much to catch up
 * with must still answer its leader, and its readers, meanwhile. Bytes of entries, and so many for
 * each reply, event and changed record: a short command may lease, or delete, hundreds of tasks.
 */
export const APPLY_WORK_MAX = 512 * 1024;
export const WORK_PER_RESULT = 64;

/** Wall clocks that differ by more than this deserve a warning. */
export const CLOCK_ALARM_MS = 60_000;

/** A follower that has applied everything but this many entries counts as caught up. */
export const CAUGHT_UP_ENTRIES = 1_000;

/**
 * Whoever lacks more than this is not counted on when members change: a commit could wait for it.
 * An entry holds up to a megabyte, so it is much less than what a reader would call caught up.
 */
export const QUORUM_LAG_ENTRIES = 100;

/** Voters of a cluster; each more makes every commit wait for more disks. */
export const VOTERS_MAX = 7;

/** Learners at one time: each gets every entry from the leader. */
export const LEARNERS_MAX = 8;

/**
 * A member that was removed is still reached for this long, to hear that it was, or for two
 * election timeouts, if that is longer: the leader lets it go after one.
 */
export const REMOVED_REACHED_MS = 3_000;

/** Changes of members that wait for their turn; beyond: `overloaded`. */
export const CHANGES_WAITING_MAX = 16;

/** Who waits for a handover hears by then how it ended; consensus gives it up well before. */
export const HANDOVER_DEADLINE_MS = 5_000;

/** A leader that wants no office tries again to hand over its office after this. */
export const DRAIN_RETRY_MS = 500;

/**
 * A disk that has owed an answer for this long, or for two election timeouts where that is more, is
 * called stalled. Far above what a busy disk takes, and early enough that another leader
 * acknowledges writes within five seconds of the hang.
 */
export const DISK_STALL_MS = 2_000;

/**
 * The same for a flush of the state. It holds up no acknowledgement, and a slow disk may take
 * seconds for a large one: if that were enough, the office would go round among such disks.
 */
export const FLUSH_STALL_MS = 10_000;

/** A leader with a stalled disk that could not hand over its office by then resigns. */
export const DISK_RESIGN_MS = 1_000;

/** A look at the disk's debt that comes later than this gives what lies unread so much time. */
export const DISK_LATE_MS = 200;

/** How long a member that is wanted more must be fit to lead before it is handed the office. */
export const PRIORITY_SETTLE_MS = 10_000;

/** Pause after a handover by priority that did not succeed. */
export const PRIORITY_RETRY_MS = 60_000;

/** Effect hashes kept to compare with what other members say of the same entries. */
export const EFFECT_HASHES_KEPT = 1_024;

/** Bytes of entries kept behind the flushed state, however few entries that are. */
export const LOG_KEPT_BYTES = 256 * 1024 * 1024;

/** A log larger than this is compacted though a member that answers still needs its beginning. */
export const LOG_BYTES_MAX = 2 * 1024 * 1024 * 1024;

/** A log that waits for a snapshot to arrive takes no more writes beyond this. */
export const LOG_PINNED_BYTES_MAX = 8 * 1024 * 1024 * 1024;

/** Entries are not kept for a member that has been silent for this long. */
export const LOG_KEPT_FOR_SILENT_MS = 60_000;

/** The log is compacted by this many bytes at a time, or by COMPACT_ENTRIES_MIN entries. */
export const COMPACT_BYTES_MIN = 16 * 1024 * 1024;

/** Or by a quarter of `snapshotEntries`, whichever is more. */
export const COMPACT_ENTRIES_MIN = 64;
