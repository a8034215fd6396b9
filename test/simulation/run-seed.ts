/** Runs one seed and says what came of it. */
import { calm, type SimulationOptions, swarm } from "./options.ts";
import { Random } from "./random.ts";
import { Simulator, type TraceOptions } from "./simulator.ts";
import { Violation } from "./violation.ts";

export interface SeedResult {
  readonly seed: number;
  readonly simulatedMs: number;
  /** Of this process, whatever else the machine was doing. */
  readonly cpuMs: number;
  readonly entries: number;
  readonly tasks: number;
  readonly situations: Readonly<Record<string, number>>;
  readonly violation: { readonly invariant: string; readonly message: string } | undefined;
  /** Oldest first; empty unless a trace was kept. */
  readonly trace: readonly string[];
}

/** The world that belongs to a seed. */
export function optionsOf(seed: number): SimulationOptions {
  return seed === 0 ? calm() : swarm(new Random(seed).fork("options"));
}

const NO_TRACE = { keep: false, live: false };

export function runSeed(seed: number, trace: TraceOptions = NO_TRACE): SeedResult {
  const before = process.cpuUsage();
  const simulator = new Simulator(seed, optionsOf(seed), trace);
  let violation: SeedResult["violation"];
  try {
    simulator.run();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = { invariant: error.invariant, message: error.message };
  }
  return {
    seed,
    simulatedMs: simulator.elapsedMs,
    cpuMs: cpuMsSince(before),
    entries: simulator.inspector.applied,
    tasks: simulator.inspector.ledger.tasks.size,
    situations: simulator.situations.counts(),
    violation,
    trace: simulator.trace.last(),
  };
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
