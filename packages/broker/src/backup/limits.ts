/** Every bound of taking, keeping and reading backups, by name. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The header names a cluster, an entry and counts; a longer one is none. */
export const HEADER_BYTES_MAX = 16 * KIB;

/** An encrypted file is sealed in chunks of this size; a longer one is refused when it is read. */
export const CHUNK_BYTES = 256 * KIB;

/** Bytes of a file that are read at a time. */
export const READ_BYTES = 1 * MIB;

/** A key file holds 32 bytes, as they are or as text; anything longer is another file. */
export const KEY_FILE_BYTES_MAX = 1 * KIB;

/** What one answer carries of a snapshot at least, but for its last one. */
export const PIECE_BYTES = 512 * KIB;

/**
 * A snapshot that nobody has asked for a piece of in so long is given up; and as soon as somebody
 * else wants one, after the shorter time. Its view holds back space on the disk.
 */
export const IDLE_MS_MAX = 60_000;
export const IDLE_MS_REPLACED = 5_000;

/** However steadily it is read. */
export const TAKING_MS_MAX = 60 * 60_000;

/** Tokens left out by a restore: more than a cluster can have given since the backup was taken. */
export const TOKEN_LEAP = 2 ** 44;

/** Looks at whether a scheduled backup is due: this many in an interval, within these bounds. */
export const LOOKS_PER_INTERVAL = 20;
export const LOOK_MS_MIN = 500;
export const LOOK_MS_MAX = 60_000;

/**
 * So long a member waits for each one before it to make the backup that is due, this many times in
 * an interval, within these bounds: time for two looks, and for a broker to be restarted.
 */
export const TURNS_PER_INTERVAL = 10;
export const TURN_MS_MIN = 2 * LOOK_MS_MIN;
export const TURN_MS_MAX = 5 * LOOK_MS_MAX;

/** After a failure it is tried again after so long, then after twice as long each time. */
export const RETRY_MS = 60_000;
export const RETRY_MS_MAX = 60 * 60_000;

/** Bytes between two looks at the room that is left while a scheduled backup is written. */
export const ROOM_LOOK_BYTES = 32 * MIB;

/** Of an archive's tasks, what is in memory at a time; one that is larger is a piece of its own. */
export const ARCHIVE_PAGE_TASKS = 500;
export const ARCHIVE_PAGE_BYTES = 4 * MIB;
