/** What is counted of tasks: what each number means, how many labels there are, and who leads. */
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { histogramText } from "../../src/observe/histogram-text.ts";
import { TaskFigures } from "../../src/observe/task-figures.ts";
import { TALLY_TYPES_MAX, TALLY_WORKERS_MAX } from "../../src/queue/limits.ts";
import type { QueueMachine } from "../../src/queue/machine.ts";
import { Tally, WorkerTally } from "../../src/queue/tally.ts";
import {
  completeOf,
  Driver,
  failOf,
  HOUR,
  makeId,
  registerOf,
  submitOf,
} from "../queue/harness.ts";
import { Cluster } from "../replica/cluster.ts";
import type { TestNode } from "../replica/harness.ts";
import { WALL } from "../replica/harness.ts";
import { readExposition } from "./exposition.ts";
import { faultsByPromtool } from "./promtool.ts";

const LEASE = { type: "lease", session: "w", count: 1 } as const;

function begin(): Driver {
  const driver = new Driver();
  driver.apply(registerOf("w"));
  return driver;
}

function figuresOf(broker: { readonly feed: () => QueueMachine["feed"] }) {
  const registry = new Registry();
  const figures = new TaskFigures(registry, broker);
  const text = async () => {
    const runs = figures.collect();
    return (await registry.metrics()) + runs;
  };
  const samples = async (): Promise<Record<string, number>> => {
    const families = [...readExposition(await text()).values()];
    return Object.fromEntries(families.flatMap((family) => [...family.samples]));
  };
  return { figures, text, samples };
}

const ofMachine = (machine: QueueMachine) => figuresOf({ feed: () => machine.feed });

describe("the tally", () => {
  test("of tasks that complete, fail, are tried again, and die", async () => {
    const driver = begin();
    const { samples, text } = ofMachine(driver.machine);
    driver.apply(submitOf(makeId(1), { priority: "high" }), LEASE);
    driver.now += 20;
    driver.apply(completeOf(makeId(1), 1));
    driver.apply(submitOf(makeId(2)), LEASE);
    driver.now += 3_000;
    driver.apply(failOf(makeId(2), 2));
    driver.now += HOUR;
    driver.apply({ type: "wake", max: 9 }, LEASE);
    driver.apply({ ...failOf(makeId(2), 3), retryable: false });
    driver.apply(submitOf(makeId(3)));
    driver.apply({ type: "cancel", id: makeId(3), reason: "" });
    expect(faultsByPromtool(await text())).toBeUndefined();
    const seen = await samples();
    expect(seen).toMatchObject({
      'tq_tasks_total{status="submitted"}': 3,
      'tq_tasks_total{status="started"}': 3,
      'tq_tasks_total{status="completed"}': 1,
      'tq_tasks_total{status="failed"}': 2,
      'tq_tasks_total{status="dead"}': 1,
      'tq_tasks_total{status="cancelled"}': 1,
      'tq_tasks_total{status="expired"}': 0,
      'tq_task_submissions_total{priority="high",type="mail"}': 1,
      'tq_task_submissions_total{priority="normal",type="mail"}': 2,
      'tq_task_completions_total{type="mail",status="completed"}': 1,
      'tq_task_completions_total{type="mail",status="dead"}': 1,
      'tq_task_completions_total{type="mail",status="cancelled"}': 1,
      'tq_task_failures_total{type="mail",error="failed"}': 2,
      'tq_task_retries_total{type="mail"}': 1,
      'tq_task_duration_seconds_bucket{type="mail",le="0.01"}': 1,
      'tq_task_duration_seconds_bucket{type="mail",le="0.025"}': 2,
      'tq_task_duration_seconds_bucket{type="mail",le="2.5"}': 2,
      'tq_task_duration_seconds_bucket{type="mail",le="5"}': 3,
      'tq_task_duration_seconds_bucket{type="mail",le="+Inf"}': 3,
      'tq_task_duration_seconds_sum{type="mail"}': 3.02,
      'tq_task_duration_seconds_count{type="mail"}': 3,
      tq_leases_lapsed_total: 0,
    });
  });

  test("a retry without a delay is one; a lease that lapses is neither that nor a run", async () => {
    const driver = begin();
    const { samples } = ofMachine(driver.machine);
    const policy = { ...submitOf(makeId(1)).retry, initialDelayMs: 0 };
    driver.apply({ ...submitOf(makeId(1)), retry: policy }, LEASE);
    driver.apply(failOf(makeId(1), 1), LEASE);
    driver.now += HOUR;
    driver.apply(...driver.machine.dueCommands(driver.now));
    expect(await samples()).toMatchObject({
      'tq_task_retries_total{type="mail"}': 1,
      'tq_task_failures_total{type="mail",error="lapsed"}': 1,
      'tq_task_duration_seconds_count{type="mail"}': 1,
      tq_leases_lapsed_total: 1,
    });
  });

  test("of bad runs by their workers, not of those that were given back", async () => {
    const driver = begin();
    const { samples } = ofMachine(driver.machine);
    driver.apply(submitOf(makeId(1)), LEASE, failOf(makeId(1), 1));
    driver.apply(submitOf(makeId(2)), LEASE, completeOf(makeId(2), 2));
    driver.apply(submitOf(makeId(3)), LEASE);
    driver.apply({ type: "release", id: makeId(3), token: 3 });
    const errors = Object.entries(await samples()).filter(([name]) => {
      return name.startsWith("tq_worker_errors_total");
    });
    const name = [...driver.machine.sessions()][0]!.name;
    expect(errors).toEqual([[`tq_worker_errors_total{worker="${name}",type="mail"}`, 1]]);
  });

  test("of very many types: the first by name, the others as one", async () => {
    const driver = begin();
    const { samples } = ofMachine(driver.machine);
    for (let type = 0; type < TALLY_TYPES_MAX + 30; type++) {
      driver.apply(submitOf(makeId(type), { type: `t${type}` }));
    }
    const submissions = Object.entries(await samples()).filter(([name]) => {
      return name.startsWith("tq_task_submissions_total");
    });
    expect(submissions).toHaveLength(TALLY_TYPES_MAX + 1);
    expect(submissions).toContainEqual([
      'tq_task_submissions_total{priority="normal",type="(other)"}',
      30,
    ]);
    expect(await samples()).toMatchObject({
      'tq_tasks_total{status="submitted"}': TALLY_TYPES_MAX + 30,
    });
  });

  test("what a machine had counted stays when another one replaces it", async () => {
    const [one, two] = [begin(), begin()];
    let { feed } = one.machine;
    const { figures, samples } = figuresOf({ feed: () => feed });
    for (const [at, driver] of [one, two].entries()) driver.apply(submitOf(makeId(at)));
    figures.see();
    one.apply(submitOf(makeId(7)));
    feed = two.machine.feed;
    const wanted = { 'tq_tasks_total{status="submitted"}': 3 };
    expect(await samples()).toMatchObject(wanted);
    expect(await samples()).toMatchObject(wanted);
  });
});

test("the numbers go on where they were when another node leads", async () => {
  const cluster = new Cluster(3);
  const first = cluster.elect();
  let serial = 0;
  const work = (leader: TestNode, count: number): void => {
    for (let at = 0; at < count; at++) {
      leader.request(submitOf(makeId(++serial, WALL)));
      cluster.settle();
      leader.request({ type: "cancel", id: makeId(serial, WALL), reason: "" });
      cluster.settle();
    }
  };
  const countsOf = async (node: TestNode) => await ofMachine(node.queue).samples();
  work(first, 5);
  const before = await countsOf(first);
  expect(before).toMatchObject({ 'tq_tasks_total{status="cancelled"}': 5 });
  cluster.cut.add(first.id);
  const second = cluster.elect();
  expect(second.id).not.toBe(first.id);
  expect(await countsOf(second)).toEqual(before);
  work(second, 3);
  const after = await countsOf(second);
  expect(after).toMatchObject({ 'tq_tasks_total{status="cancelled"}': 8 });
  cluster.cut.delete(first.id);
  cluster.elapse(2_000);
  expect(await countsOf(first)).toEqual(after);
});

test("a tally that is added to another one loses nothing to the bound", () => {
  const [one, two] = [new Tally(), new Tally()];
  for (let type = 0; type < TALLY_TYPES_MAX; type++) one.of(`a${type}`).retries++;
  two.of("b").retries += 4;
  two.others.retries += 2;
  one.add(two);
  expect(one.others.retries).toBe(6);
  expect([...one.types]).toHaveLength(TALLY_TYPES_MAX);
});

test("workers beyond the bound are counted as one, and added up without a loss", () => {
  const [one, two] = [new WorkerTally(), new WorkerTally()];
  for (let at = 0; at < TALLY_WORKERS_MAX; at++) one.raise(`w${at}`, "t");
  one.raise("late", "t");
  two.raise("w0", "t", 4);
  two.raise("later", "t", 2);
  one.add(two);
  expect([...one.pairs]).toHaveLength(TALLY_WORKERS_MAX);
  expect([...one.pairs][0]).toEqual({ worker: "w0", type: "t", count: 5 });
  expect(one.others).toBe(3);
});

test("labels of a histogram are escaped", () => {
  const series = [{ labels: { type: 'a"\\\n' }, counts: [1, 2], sum: 9 }];
  const [family] = readExposition(histogramText("x", "help", [1], series)).values();
  expect(family?.samples.get('x_count{type="a\\"\\\\\\n"}')).toBe(3);
  expect(histogramText("x", "help", [1], [])).toBe("");
});
