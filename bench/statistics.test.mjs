/** Percentiles and medians against values that can be worked out by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { distribution, percentile, spread } from "./statistics.mjs";

test("a percentile is one of the samples, by nearest rank", () => {
  const sorted = Float64Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(percentile(sorted, 0.5), 50);
  assert.equal(percentile(sorted, 0.99), 99);
  assert.equal(percentile(sorted, 0.991), 100);
  assert.equal(percentile(sorted, 1), 100);
  assert.equal(percentile(sorted, 0), 1);
});

test("without samples there is no percentile", () => {
  assert.ok(Number.isNaN(percentile(new Float64Array(0), 0.5)));
});

test("a distribution leaves its samples alone", () => {
  const samples = Float64Array.of(10, 9, 100);
  assert.deepEqual(distribution(samples), { count: 3, p50: 10, p99: 100, max: 100 });
  assert.deepEqual([...samples], [10, 9, 100]);
});

test("the median of an odd and of an even number of values", () => {
  assert.deepEqual(spread([3, 1, 20]), { median: 3, min: 1, max: 20 });
  assert.deepEqual(spread([4, 1, 2, 30]), { median: 3, min: 1, max: 30 });
  assert.deepEqual(spread([7]), { median: 7, min: 7, max: 7 });
});

test("a time that cannot be is refused", () => {
  assert.throws(() => distribution([1, -0.1, 2]), /cannot be/);
  assert.throws(() => distribution([1, Number.NaN, 2]), /cannot be/);
});
