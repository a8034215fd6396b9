/** How much of the event loop the streams of a source take. */
import { describe, expect, test } from "vitest";
import {
  BYTE_MS,
  FRAME_BYTES,
  LOOP_SHARE,
  PINS_MAX,
  ROW_MS,
  SLICE_ROWS_MAX,
  SLICE_ROWS_MIN,
  TURN_MS_MAX,
} from "../../src/snapshots/limits.ts";
import { turnMs } from "../../src/snapshots/pace.ts";

const MIB = 1024 * 1024;

/** What of the loop all streams take together, each with such slices. */
function shareOf(rows: number, bytes: number, streams: number): number {
  return (streams * (rows * ROW_MS + bytes * BYTE_MS)) / turnMs(rows, bytes, streams);
}

describe("the share of the loop is kept", () => {
  test.each([1, 2, PINS_MAX])("by %d streams together", (streams) => {
    expect(shareOf(SLICE_ROWS_MAX, FRAME_BYTES, streams)).toBeCloseTo(LOOP_SHARE);
  });

  test.each([1, 3])("with the smallest slice of rows of %d MiB", (mib) => {
    expect(shareOf(SLICE_ROWS_MIN, SLICE_ROWS_MIN * mib * MIB, 1)).toBeCloseTo(LOOP_SHARE);
  });
});

test("no slice is drawn out for ever", () => {
  expect(turnMs(SLICE_ROWS_MIN, 100 * MIB, PINS_MAX)).toBe(TURN_MS_MAX);
});
