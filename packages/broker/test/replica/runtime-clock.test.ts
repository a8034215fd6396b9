/**
 * Which clock the event loop goes by, and how long its one timer may be. `setTimeout` fires at once
 * for anything beyond 2^31 - 1 ms, and the wall clock may be set by anybody at any time.
 */
import { afterEach, expect, test, vi } from "vitest";
import { closeAll, startWith } from "./runtime-stub.ts";

const TIMER_MS_MAX = 2 ** 31 - 1;

afterEach(async () => {
  vi.restoreAllMocks();
  await closeAll();
});

test("timeouts go by the monotonic clock, wherever the wall clock is set to", async () => {
  const before = performance.now();
  const walls = [4e12, 0, 1e12];
  let reads = 0;
  vi.spyOn(Date, "now").mockImplementation(() => walls[reads++ % walls.length]!);
  const { runtime, advances, faults } = startWith(() => Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < 5; turn++) {
    runtime.input(() => {});
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(advances.length).toBeGreaterThanOrEqual(5);
  const times = advances.map(({ now }) => now);
  expect(times).toEqual([...times].sort((one, other) => one - other));
  expect(times[0]).toBeGreaterThanOrEqual(before);
  expect(times.at(-1)).toBeLessThanOrEqual(performance.now());
  expect(advances.every(({ wallMs }) => walls.includes(wallMs))).toBe(true);
  expect(faults).toEqual([]);
});

test("a deadline beyond the longest timer is waited for in pieces", async () => {
  const timers = vi.spyOn(globalThis, "setTimeout");
  const { faults } = startWith(() => performance.now() + 2 ** 33);
  const longest = () => Math.max(0, ...timers.mock.calls.map(([, delayMs]) => delayMs ?? 0));
  await vi.waitUntil(() => longest() > 2 ** 30);
  expect(longest()).toBe(TIMER_MS_MAX);
  expect(faults).toEqual([]);
});
