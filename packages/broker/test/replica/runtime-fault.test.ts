/** A fault of the disk is the end: what comes in before the process is gone changes nothing. */
import { afterEach, expect, test } from "vitest";
import { closeAll, startWith } from "./runtime-stub.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

afterEach(closeAll);

test("nothing is taken in after the first fault, and no turn is made", async () => {
  const { runtime, advances, faults } = startWith(() => Number.POSITIVE_INFINITY);
  await nextTurn();
  let taken = 0;
  runtime.input(() => taken++);
  runtime.fail("the log could not be written", new Error("EIO"));
  const { length } = advances;
  runtime.input(() => taken++);
  await nextTurn();
  await nextTurn();
  expect(taken).toBe(1);
  expect(advances).toHaveLength(length);
  expect(runtime.closed).toBe(true);
  expect(faults).toEqual(["the log could not be written: Error: EIO"]);
});
