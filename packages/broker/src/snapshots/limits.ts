/** Every bound of sending and receiving snapshots, by name. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Rows are gathered into a frame of about this size. */
export const FRAME_BYTES = 512 * KIB;

/**
 * A receiver takes no more rows while this much waits for the write before it. To hand so many over
 * to LevelDB holds up its event loop for some 20 ms.
 */
export const GATHERED_BYTES_MAX = 2 * MIB;

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
 * The share of the event loop that all streams may take together: a slice takes so long that they
 * stay below that. What it needs of the loop is reckoned from its rows, not measured: on a busy
 * machine a clock also counts the time of other processes, and the stream would be slowest where it
 * is needed most. Waiting for the disk or the reader leaves the loop to others, and so is rest.
 */
export const LOOP_SHARE = 0.3;
/** No slice is drawn out for longer: as long as the largest rows may need. */
export const TURN_MS_MAX = 1_000;
/**
 * What a row and a byte of it cost the loop on their way from the store into a frame. Measured as
 * CPU time of that thread, timers and collections included: 3.7 to 4.6 µs for rows of 150 bytes.
 */
export const ROW_MS = 0.004;
export const BYTE_MS = 3e-6;

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
