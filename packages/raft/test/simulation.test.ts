import { describe, expect, test } from "vitest";
import type { RaftOptions } from "../src/index.ts";
import { Simulation } from "./simulation.ts";
import { FAIR, type Weather } from "./weather.ts";

const STORM: Weather = {
  lossRate: 0.05,
  duplicateRate: 0.05,
  delayMaxMs: 40,
  diskMaxMs: 60,
  crashRate: 0.001,
  stallRate: 0.0005,
  partitionRate: 0.003,
  streamRate: 0.01,
  compactRate: 0,
  changeRate: 0,
  transferRate: 0,
  wipesDisks: false,
};

const SMALL: Partial<RaftOptions> = {
  maxInflight: 4,
  maxMessageBytes: 100,
  maxTailBytes: 200,
  maxUncommittedBytes: 2000,
};

/** Storm, then fair weather: someone must lead and commit, and all must agree. */
function weather(seed: number, size: number, storm: Weather, settings: Partial<RaftOptions>): void {
  const simulation = new Simulation(seed, size, storm, settings);
  simulation.run(15_000);
  simulation.observer.logs(simulation.nodes);
  simulation.heal();
  simulation.run(15_000);
  const leader = simulation.leader();
  expect(leader, "someone leads").toBeDefined();
  const id = simulation.propose(leader!);
  expect(id, "it takes a proposal").toBeDefined();
  simulation.run(2_000);
  simulation.observer.logs(simulation.nodes);
  for (const node of simulation.nodes) {
    expect(node.applied.index, `${node.id} has applied the proposal`).toBeGreaterThanOrEqual(
      id!.index,
    );
    expect(node.raft!.term).toBe(leader!.raft!.term);
  }
  expect(simulation.observer.committed[id!.index - 1]?.term).toBe(id!.term);
  expect(simulation.observer.readsAnswered).toBeGreaterThan(0);
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

describe("a cluster in a storm keeps its promises and recovers", () => {
  test("three nodes", () => each(1, 60, (seed) => weather(seed, 3, STORM, {})));
  test("three nodes, small limits", () => each(1000, 60, (seed) => weather(seed, 3, STORM, SMALL)));
  test("five nodes", () => each(2000, 25, (seed) => weather(seed, 5, STORM, SMALL)));
  test("two nodes", () => each(3000, 20, (seed) => weather(seed, 2, STORM, SMALL)));
  test("one node", () => each(4000, 10, (seed) => weather(seed, 1, STORM, SMALL)));
  test("counting before fsync", () => {
    each(5000, 30, (seed) => weather(seed, 3, STORM, { ...SMALL, commitBy: "match" }));
  });
  test("a slow disk and a good network", () => {
    const slow = { ...FAIR, diskMaxMs: 400, crashRate: 0.001 };
    each(6000, 20, (seed) => weather(seed, 3, slow, SMALL));
  });
  test("a network that reorders everything", () => {
    const wild = { ...FAIR, delayMaxMs: 300, duplicateRate: 0.3, crashRate: 0.0005 };
    each(7000, 20, (seed) => weather(seed, 3, wild, SMALL));
  });
});

/** Ends the process of the leader for good; returns its term. */
function killLeader(simulation: Simulation): number {
  while (simulation.leader() === undefined) simulation.step();
  simulation.run(500);
  const leader = simulation.leader()!;
  const { term } = leader.raft!;
  leader.raft = undefined;
  leader.upAt = Number.POSITIVE_INFINITY;
  return term;
}

function runUntilLeader(simulation: Simulation): number {
  const start = simulation.now;
  while (simulation.leader() === undefined && simulation.now < start + 20_000) simulation.step();
  return simulation.now - start;
}

describe("elections", () => {
  test("a lost leader is replaced, nearly always in the first round", () => {
    const rounds: number[] = [];
    each(8000, 300, (seed) => {
      const simulation = new Simulation(seed, 3, FAIR);
      const term = killLeader(simulation);
      runUntilLeader(simulation);
      rounds.push(simulation.leader()!.raft!.term - term);
    });
    rounds.sort((a, b) => a - b);
    expect(rounds.at(-1)).toBeLessThanOrEqual(5);
    expect(rounds[Math.floor(rounds.length * 0.9)]).toBe(1);
  });

  test("sooner than an election timeout, when its streams are seen to close", () => {
    const waits: number[] = [];
    each(9000, 200, (seed) => {
      const simulation = new Simulation(seed, 3, FAIR);
      killLeader(simulation);
      // What was on its way arrives; on a real stream that is always before its end is seen.
      simulation.run(100);
      for (const { raft } of simulation.nodes) {
        if (raft?.leader !== undefined) raft.peerDisconnected(raft.leader);
      }
      waits.push(runUntilLeader(simulation));
    });
    waits.sort((a, b) => a - b);
    expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(400);
    // Rarely the votes are split a few times in a row.
    expect(waits[Math.floor(waits.length * 0.95)]).toBeLessThan(700);
  });
});
