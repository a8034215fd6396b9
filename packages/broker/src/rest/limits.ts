/**
 * Bounds of the REST listener. Slow or endless requests end at a named time; what is too large is
 * refused while it is still coming in.
 */

/** From the first byte to the end of the headers. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** From the first byte to the last of a whole request. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** How often the two above are looked at. */
export const TIMEOUT_CHECK_MS = 2_000;
/** An idle connection is kept longer than load balancers keep theirs, so that they close first. */
export const KEEP_ALIVE_MS = 75_000;
export const HEADER_BYTES_MAX = 16 * 1024;
export const HEADERS_MAX = 100;
export const CONNECTIONS_MAX = 1000;
/** One address leaves room for others, even if it is a load balancer's. */
export const CONNECTIONS_PER_ADDRESS_MAX = 750;
/** Of the caller's own; a longer one is replaced. */
export const REQUEST_ID_LENGTH_MAX = 128;
/** Waits included: a connection may carry several requests, one behind the other. */
export const REQUESTS_UNDER_WAY_MAX = 2000;
/** Bodies that requests under way have announced. */
export const BODY_BYTES_UNDER_WAY_MAX = 256 * 1024 * 1024;
/** Mean delay of the event loop beyond which it must catch up before it takes more. */
export const LOOP_DELAY_MS_MAX = 1000;
/** Share of the heap's limit beyond which nothing more is taken. */
export const HEAP_SHARE_MAX = 0.9;
/** How often the two above are looked at. */
export const PRESSURE_CHECK_MS = 1000;
/** Longest part of a path: a queue's name, with room for percent escapes. */
export const PATH_PART_LENGTH_MAX = 600;

/** Events that an event stream reads and writes at a time. */
export const EVENTS_PER_WRITE = 500;
/** A stream of which nothing happens says so this often. */
export const EVENT_KEEP_ALIVE_MS = 15_000;
/** A reader that takes nothing for so long is told to come again. */
export const EVENT_STALL_MS_MAX = 30_000;
/** How long the last word to a reader may take on its way. */
export const EVENT_LAST_WORD_MS = 5_000;

/** Lists that are streamed at a time. */
export const LINES_STREAMS_MAX = 10;
/** After so long a stream ends with where to go on. */
export const LINES_MS_MAX = 30_000;
/** So much longer a reader may take for what is on its way. */
export const LINES_STALL_MS_MAX = 30_000;

/** Body of one task beyond its payload: metadata, tags, and the JSON around them. */
const TASK_OVERHEAD_BYTES = 128 * 1024;
/** Parsing holds up everything else: some 8 ms for each MiB, with no more parts than these. */
const BATCH_BODY_BYTES_MAX = 8 * 1024 * 1024;
/** Objects, lists and members of one body: 250 for each task of a batch. */
export const BODY_PARTS_MAX = 250_000;

/** How long a close waits for requests in hand before it cuts their connections. */
export const CLOSE_GRACE_MS = 5_000;

/** A payload in base64 takes a third more; JSON with escapes may take twice its plain size. */
export function taskBodyBytesMax(maxPayloadBytes: number): number {
  return 2 * maxPayloadBytes + TASK_OVERHEAD_BYTES;
}

export function batchBodyBytesMax(maxPayloadBytes: number): number {
  return Math.max(BATCH_BODY_BYTES_MAX, taskBodyBytesMax(maxPayloadBytes));
}
