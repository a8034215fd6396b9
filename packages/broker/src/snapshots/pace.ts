/** How fast a source goes on, so that the event loop is left to others. */
import { BYTE_MS, LOOP_SHARE, ROW_MS, TURN_MS_MAX } from "./limits.ts";

/**
 * How long one of so many streams takes at least for a slice, in milliseconds: the share of the
 * loop is that of all of them together.
 */
export function turnMs(rows: number, bytes: number, streams: number): number {
  return Math.min(TURN_MS_MAX, ((rows * ROW_MS + bytes * BYTE_MS) * streams) / LOOP_SHARE);
}
