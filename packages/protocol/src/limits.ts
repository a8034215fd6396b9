/**
 * The numbers of the protocol that both sides must agree on. Beyond each there is one defined
 * answer; the protocol's document lists them.
 */

/** The first two bytes of every `hello`: tells a worker from a stray connection. */
export const MAGIC = "TQ";

/** Oldest and newest protocol version that this package speaks. */
export const VERSION_MIN = 1;
export const VERSION_MAX = 2;
/** From this version on a worker may send `report`. */
export const REPORT_VERSION = 2;
/** From this version on a task may have `extras`, and a result children. */
export const EXTRAS_VERSION = 2;

/** Length (4), type (1) and request id (4). */
export const HEADER_BYTES = 9;

/** What a frame may hold besides payloads, and all that it may hold before `hello` was accepted. */
export const FRAME_OVERHEAD_BYTES = 64 * 1024;

/** Largest frame a broker accepts after `hello`, counted as the length field counts. */
export function maxFrameBytes(maxPayloadBytes: number): number {
  return maxPayloadBytes + FRAME_OVERHEAD_BYTES;
}

/**
 * Largest frame a broker sends: a task with payload and result in base64, or a page of a list. A
 * client must accept this much; a broker answers `too_large` instead of more.
 */
export function maxAnswerBytes(maxPayloadBytes: number): number {
  return 4 * maxPayloadBytes + 16 * 1024 * 1024;
}

/** Most tasks in one `submit`, reports in one report frame, deliveries in one `deliver`. */
export const BATCH_MAX = 1_000;

/** Log lines of one run in one `report`. */
export const REPORT_LINES_MAX = 100;
/** A run's progress, as JSON text in UTF-8. */
export const PROGRESS_BYTES_MAX = 4 * 1024;
/** A longer log line is cut. */
export const LOG_LINE_BYTES_MAX = 1024;
/** A worker speaks of one run at most this often, but for its end. */
export const REPORT_EVERY_MS = 1_000;

/** Of an API key: bcrypt looks no further, and so could not tell two longer ones apart. */
export const KEY_BYTES_MAX = 72;

/** Strings travel with a 16-bit length. */
export const STRING_BYTES_MAX = 65_535;

/** A side that has sent nothing for this long sends a `ping`. */
export const KEEP_ALIVE_MS = 15_000;

/** A broker ends a connection on which nothing arrived for this long. */
export const SILENCE_MS_MAX = 60_000;

/** Longest a broker holds one `wait` call open. */
export const WAIT_MS_MAX = 45_000;

/** Queues, types and labels of one worker; tags of one task. */
export const LIST_MAX = 1_000;

/** Most tasks one worker may hold at once. */
export const WINDOW_MAX = 10_000;

/** The queue of a task whose submitter named none. */
export const DEFAULT_QUEUE = "default";
