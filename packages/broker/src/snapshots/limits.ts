/** Every bound of sending and receiving snapshots, by name. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Rows are gathered into a frame of about this size: one synced write at the receiver. */
export const FRAME_BYTES = 512 * KIB;

/** A frame holds at least one row, and a row may be a task with the largest payload. */
export const FRAME_BYTES_MAX = 8 * MIB;

/** A header carries the members, a few kilobytes; keys and values of rows have bounds of theirs. */
export const HEADER_BYTES_MAX = 64 * KIB;
export const KEY_BYTES_MAX = 2 * KIB;
export const REQUEST_BYTES_MAX = 8 * KIB;

/** Pieces in which frames travel. */
export const CHUNK_BYTES = 512 * KIB;

/**
 * Rows read at a time: so few that the largest values together still fit in memory. It grows from
 * the smallest to the largest as long as the rows turn out to be small.
 */
export const SLICE_ROWS_MIN = 16;
export const SLICE_ROWS_MAX = 512;

/**
 * The share of the event loop that one stream may take for itself: after each slice it rests long
 * enough for that. Waiting for the disk takes nothing of the loop and does not count, or a busy
 * disk would slow down the stream twice. No rest is longer than `PAUSE_MS_MAX`.
 */
export const LOOP_SHARE = 0.15;
export const PAUSE_MS_MAX = 50;
/** What a row costs the loop until it has come out of the store. Measured. */
export const SCAN_ROW_MS = 0.0065;

/** A source waits this long for a flush to reach what was asked for, and looks this often. */
export const FLUSH_WAIT_MS = 5_000;
export const FLUSH_POLL_MS = 20;

/** Looks at the state for a view that the log still reaches. */
export const PIN_ATTEMPTS_MAX = 10;

/**
 * Views kept open for those who read them, two for members and one for a backup, and how long after
 * the last of them went away.
 */
export const PINS_MAX = 3;
export const PIN_MS_MAX = 15 * 60_000;

/** Points at which a broken stream can go on; the newest are kept, more than can be under way. */
export const CHECKPOINTS_MAX = 256;

/** Attempts at one source, without a single new row and in all, before the next one is asked. */
export const FRUITLESS_ATTEMPTS_MAX = 3;
export const ATTEMPTS_MAX = 100;
export const RETRY_PAUSE_MS = 200;
