/** What is claimed: medians of all rounds, ratios within a round, nothing where there is nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { summarize } from "./summary.mjs";

const FIGURES = [
  { name: "tasks/s", of: (/** @type {any} */ result) => result.rate },
  { name: "transfer ms", of: (/** @type {any} */ result) => result.transfer },
];

const measured = (/** @type {[number, string, object][]} */ ...rows) =>
  rows.map(([round, system, result]) => ({ round, workload: "w", system, result }));

const summaryOf = (/** @type {any[]} */ measurements, systems = ["tq", "rival"]) =>
  summarize(measurements, { workload: "w", figures: FIGURES, tq: "tq", systems });

test("a ratio is taken within a round, and its median is not that of the medians", () => {
  const { systems, ratios } = summaryOf(
    measured(
      [1, "tq", { rate: 100 }],
      [1, "rival", { rate: 10 }],
      [2, "tq", { rate: 20 }],
      [2, "rival", { rate: 20 }],
      [3, "tq", { rate: 30 }],
      [3, "rival", { rate: 5 }],
    ),
  );
  assert.deepEqual(systems[0]?.figures[0], { name: "tasks/s", median: 30, min: 20, max: 100 });
  assert.deepEqual(systems[1]?.figures[0], { name: "tasks/s", median: 10, min: 5, max: 20 });
  assert.deepEqual(ratios[0], { name: "tasks/s", rival: "rival", median: 6, min: 1, max: 10 });
});

test("a round in which one of the two failed has no ratio, but its figure counts", () => {
  const { systems, ratios } = summaryOf(
    measured([1, "tq", { rate: 8 }], [2, "tq", { rate: 4 }], [2, "rival", { rate: 2 }]),
  );
  assert.deepEqual(systems[0]?.figures[0], { name: "tasks/s", median: 6, min: 4, max: 8 });
  assert.deepEqual(ratios[0], { name: "tasks/s", rival: "rival", median: 2, min: 2, max: 2 });
});

test("a figure that a system does not have is left empty, and so is its ratio", () => {
  const { systems, ratios } = summaryOf(
    measured([1, "tq", { rate: 1, transfer: 7 }], [1, "rival", { rate: 1 }]),
  );
  assert.deepEqual(systems[0]?.figures[1], { name: "transfer ms", median: 7, min: 7, max: 7 });
  assert.deepEqual(systems[1]?.figures[1], { name: "transfer ms" });
  assert.deepEqual(ratios[1], { name: "transfer ms", rival: "rival" });
});

test("nobody is a number of times faster than nothing", () => {
  const { ratios } = summaryOf(measured([1, "tq", { rate: 1 }], [1, "rival", { rate: 0 }]));
  assert.deepEqual(ratios[0], { name: "tasks/s", rival: "rival" });
});

test("other workloads play no part, and tq may be left out", () => {
  const rival = measured([1, "rival", { rate: 3 }]);
  const { systems, ratios } = summaryOf(
    [...rival, { round: 1, workload: "other", system: "rival", result: { rate: 99 } }],
    ["rival"],
  );
  assert.deepEqual(systems[0]?.figures[0], { name: "tasks/s", median: 3, min: 3, max: 3 });
  assert.deepEqual(ratios, [
    { name: "tasks/s", rival: "rival" },
    { name: "transfer ms", rival: "rival" },
  ]);
});
