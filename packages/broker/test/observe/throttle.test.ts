/** Lines that would repeat with every attempt come once in a while. */
import { expect, test } from "vitest";
import { Throttle } from "../../src/observe/throttle.ts";

test("a key passes once in half a minute, and at once when forgotten", () => {
  let now = 0;
  const throttle = new Throttle(() => now);
  expect([throttle.allows("a"), throttle.allows("a"), throttle.allows("b")]).toEqual([
    true,
    false,
    true,
  ]);
  now = 29_999;
  expect(throttle.allows("a")).toBe(false);
  now = 30_000;
  expect([throttle.allows("a"), throttle.allows("a")]).toEqual([true, false]);
  throttle.forget("a");
  expect(throttle.allows("a")).toBe(true);
});

test("beyond a thousand keys the oldest is forgotten", () => {
  const throttle = new Throttle(() => 0);
  for (let key = 0; key <= 1000; key++) throttle.allows(`${key}`);
  expect(throttle.allows("1000")).toBe(false);
  expect(throttle.allows("0")).toBe(true);
});
