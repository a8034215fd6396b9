/** Every bound of the audit log, by name, with what happens beyond it. */

/** Lines that wait to be written; refusals beyond it are only counted, actions wait. */
export const PENDING_MAX = 1_000;
/** So long an action waits for its line; then it is answered, and the line comes when it can. */
export const ACTION_MS_MAX = 5_000;
/** How long refusals are counted before they become lines. */
export const REFUSALS_MS = 1_000;
/** Lines about refusals in that time; what is beyond it is one line with their number. */
export const REFUSAL_LINES_MAX = 20;
/** A line stays in the memory of the operating system for at most this long. */
export const SYNC_MS = 1_000;
/** After a failed write lines are only counted for so long; a full file is kept for so long. */
export const RETRY_MS = 1_000;

/** Characters of one field; what is longer ends with an ellipsis. */
export const FIELD_LENGTH_MAX = 200;
/** Of an answer about the log: what is read of a file for it. */
export const PAGE_BYTES = 256 * 1024;
/** Of a file, what is in memory at a time while its first or last whole line is looked for. */
export const WINDOW_BYTES = 64 * 1024;
/** Positions that answers have named lately: who goes on from one does not begin to read anew. */
export const POSITIONS_MAX = 1_000;
export const POSITION_MS_MAX = 60_000;
/** What the process has to say while the log is not open yet; more than that is not noted. */
export const NOTES_MAX = 100;
