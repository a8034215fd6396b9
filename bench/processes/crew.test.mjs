/** Several processes that work count as one: what two were given counts once, the earliest time wins. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Crew } from "./crew.mjs";

/** A worker process as the crew sees it, that has handled these numbers at these times. */
function worker(/** @type {Record<number, number>} */ handledAt, settledAt = 0) {
  /** @type {Record<string, (params: any) => unknown>} */
  const verbs = {
    progress: () => ({ handled: Object.keys(handledAt).length, repeated: 0 }),
    settled: () => settledAt,
    times: ({ first, next }) =>
      Float64Array.from({ length: next - first }, (_, i) => handledAt[first + i] ?? 0),
  };
  return /** @type {any} */ ({
    call: async (/** @type {string} */ verb, /** @type {any} */ params) => verbs[verb]?.(params),
  });
}

test("all is reached when each task was handled by any of them", async () => {
  const crew = new Crew([worker({ 5: 1, 7: 2 }, 40), worker({ 6: 3 }, 30)], 5);
  assert.deepEqual(await crew.reached({ next: 8 }), { settledAt: 40, repeated: 0 });
});

test("a task that two were given does not stand in for one that is missing", async () => {
  /** @type {Record<number, number>} */
  const late = { 1: 9 };
  const crew = new Crew([worker({ 0: 1, 1: 2 }), worker(late)], 0);
  const reached = crew.reached({ next: 3 });
  let isReached = false;
  void reached.then(() => {
    isReached = true;
  });
  // Each look is a round of answers; these are as many as show that it goes on looking.
  for (let i = 0; i < 100; i++) await Promise.resolve();
  assert.equal(isReached, false);
  late[2] = 10;
  assert.deepEqual(await reached, { settledAt: 0, repeated: 1 });
});

test("a task was handled when the first of them handled it", async () => {
  const crew = new Crew([worker({ 0: 7, 1: 2 }), worker({ 0: 4, 2: 5 })], 0);
  assert.deepEqual([...(await crew.times({ first: 0, next: 4 }))], [4, 2, 5, 0]);
});
