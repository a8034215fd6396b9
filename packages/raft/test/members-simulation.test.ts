/**
 * Storms over a cluster that changes all the time: members come and go, logs are compacted,
 * snapshots fetched, the office is handed around. Then fair weather, in which all must come to rest.
 */
import { describe, expect, test } from "vitest";
import type { RaftOptions } from "../src/index.ts";
import { Simulation } from "./simulation.ts";
import type { Weather } from "./weather.ts";

const STORM: Weather = {
  lossRate: 0.05,
  duplicateRate: 0.05,
  delayMaxMs: 40,
  diskMaxMs: 60,
  crashRate: 0.001,
  stallRate: 0.0005,
  partitionRate: 0.003,
  streamRate: 0.01,
  compactRate: 0.05,
  changeRate: 0.03,
  transferRate: 0.002,
  wipesDisks: false,
};

const SMALL: Partial<RaftOptions> = {
  maxInflight: 4,
  maxMessageBytes: 100,
  maxTailBytes: 200,
  maxUncommittedBytes: 2000,
};

/** What has to happen in one of the runs at least, or they have shown nothing about it. */
const SITUATIONS = [
  "change",
  "pending",
  "notReady",
  "transferring",
  "a new node joins",
  "a node joins again",
  "a wiped node joins again",
  "a leader leaves itself out",
  "transfer",
  "asked to campaign",
  "restore",
  "with another membership",
  "a conflicting log is replaced",
  "a suffix is kept",
  "a snapshot comes too late",
  "a snapshot is not vouched for",
  "a follower is the source",
  "a log read finds nothing",
];
const seen = new Set<string>();

function storm(seed: number, size: number, storm: Weather, settings: Partial<RaftOptions>): void {
  const simulation = new Simulation(seed, size, storm, settings, 5);
  simulation.run(15_000);
  simulation.observer.logs(simulation.nodes);
  simulation.heal();
  simulation.run(15_000);
  const leader = simulation.leader();
  expect(leader, "someone leads").toBeDefined();
  const id = simulation.propose(leader!);
  expect(id, "it takes a proposal").toBeDefined();
  simulation.run(3_000);
  simulation.observer.logs(simulation.nodes);
  const { voters, learners } = simulation.observer.membership;
  for (const node of simulation.nodes) {
    if (!voters.includes(node.id) && !learners.includes(node.id)) continue;
    expect(node.applied.index, `${node.id} has the proposal`).toBeGreaterThanOrEqual(id!.index);
    expect(node.raft!.membership).toEqual({ voters, learners });
  }
  for (const situation of simulation.situations.keys()) seen.add(situation);
}

function each(from: number, count: number, run: (seed: number) => void): void {
  for (let seed = from; seed < from + count; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

describe("a cluster whose members change keeps its promises and comes to rest", () => {
  test("founded by three", () => each(1, 50, (seed) => storm(seed, 3, STORM, SMALL)));
  test("founded by one", () => each(1000, 30, (seed) => storm(seed, 1, STORM, SMALL)));
  test("founded by five", () => each(2000, 30, (seed) => storm(seed, 5, STORM, SMALL)));
  test("added again with empty disks", () => {
    const wiping = { ...STORM, wipesDisks: true };
    each(3000, 50, (seed) => storm(seed, 3, wiping, SMALL));
  });
  test("counting before fsync", () => {
    each(4000, 20, (seed) => storm(seed, 3, STORM, { ...SMALL, commitBy: "match" }));
  });
  test("of fixed members, with slow disks, logs cut short all the time, and many transfers", () => {
    const fixed = { ...STORM, diskMaxMs: 200, changeRate: 0, compactRate: 0.3, transferRate: 0.01 };
    each(5000, 30, (seed) => storm(seed, 5, fixed, SMALL));
  });
  test("and everything worth seeing has been seen", () => {
    expect(SITUATIONS.filter((situation) => !seen.has(situation))).toEqual([]);
  });
});
