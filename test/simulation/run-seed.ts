/** Runs one seed, or a part of it, and says what came of it. */
import { calm } from "./calm.ts";
import type { Fault } from "./deeds.ts";
import type { SimulationOptions } from "./options.ts";
import type { ProfileName } from "./profiles.ts";
import { Random } from "./random.ts";
import {
  EVERYTHING,
  NO_TRACE,
  type Planted,
  type Selection,
  Simulator,
  type TraceOptions,
} from "./simulator.ts";
import { swarm } from "./swarm.ts";
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

/** What happened in a run, besides its result. */
export interface Run extends SeedResult {
  readonly plan: readonly Fault[];
  readonly deeds: readonly string[];
}

export interface RunOptions {
  readonly options?: SimulationOptions;
  readonly selection?: Selection;
  readonly planted?: Planted;
  readonly trace?: TraceOptions;
}

/** The world that belongs to a seed. */
export function optionsOf(seed: number, profile?: ProfileName): SimulationOptions {
  return seed === 0 ? calm() : swarm(new Random(seed).fork("options"), profile);
}

export function runSeed(seed: number, trace: TraceOptions = NO_TRACE): SeedResult {
  const { plan: _plan, deeds: _deeds, ...result } = run(seed, { trace });
  return result;
}

export function run(seed: number, how: RunOptions = {}): Run {
  const before = process.cpuUsage();
  const options = how.options ?? optionsOf(seed);
  const selection = how.selection ?? EVERYTHING;
  const simulator = new Simulator(seed, options, how.trace ?? NO_TRACE, selection, how.planted);
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
    plan: simulator.plan,
    deeds: simulator.deeds,
  };
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
