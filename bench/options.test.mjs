/** The command line: what it means, what is refused, and that lists and defaults hold together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions, UsageError } from "./options.mjs";

const KNOWN = {
  rivals: { cluster: ["rabbitmq", "nats"], single: ["bullmq"] },
  rivalNames: ["rabbitmq", "nats", "bullmq"],
  workloadNames: ["end-to-end", "rate", "backlog"],
};

const parse = (/** @type {string[]} */ ...args) => parseOptions(args, KNOWN);

test("without arguments everything is measured, each workload as often as it is worth", () => {
  const options = parse();
  assert.deepEqual(options.workloads, KNOWN.workloadNames);
  assert.equal(options.rounds, undefined);
  assert.equal(options.tasks, 1_000_000);
  assert.deepEqual([options.tq, ...options.rivals], ["tq-cluster", "rabbitmq", "nats"]);
});

test("workloads are a list, in the order of the harness and once each", () => {
  assert.deepEqual(parse("--workload", "backlog,end-to-end,backlog").workloads, [
    "end-to-end",
    "backlog",
  ]);
  assert.deepEqual(parse("--workload", "rate,all").workloads, KNOWN.workloadNames);
});

test("--quick is one round with little in it, and gives way to what is said", () => {
  const quick = parse("--quick");
  assert.equal(quick.rounds, 1);
  assert.equal(quick.times, 1);
  assert.ok(quick.tasks < 10_000);
  const said = parse("--quick", "--rounds", "3", "--tasks", "50000", "--times", "4");
  assert.deepEqual([said.rounds, said.tasks, said.times], [3, 50_000, 4]);
});

test("--single compares one broker with what has one node", () => {
  const options = parse("--single");
  assert.deepEqual([options.tq, ...options.rivals], ["tq-single", "bullmq"]);
  assert.deepEqual(parse("--against", "none").rivals, []);
});

test("what cannot be is refused by name", () => {
  for (const args of [
    ["--workload", "backlog,nonsense"],
    ["--workload", ""],
    ["--against", "kafka"],
    ["--rounds", "0"],
    ["--workers", "1.5"],
    ["--workers", "101"],
    ["--tasks", "many"],
    ["--p", "-1"],
    ["--size", "10"],
    ["--size", "1000000"],
    ["--no-such-flag"],
    ["--node", "/no/such/node"],
  ]) {
    const flag = args[0] ?? "";
    assert.throws(
      () => parse(...args),
      (error) => error instanceof UsageError && error.message.includes(flag),
      args.join(" "),
    );
  }
});
