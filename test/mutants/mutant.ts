/**
 * What a mutant is: a mistake that hand-written consensus and queues are known to make, put into
 * our own source as a small patch, with those who must notice it. A test that finds no planted
 * mistake proves nothing by passing.
 */
import type { ProfileName } from "./profiles.ts";

/** One replacement; `find` must occur exactly once in the file. */
export interface Edit {
  /** Relative to the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Seeds of the simulator, from 1 on, until the first violation. */
export interface SimulationKiller {
  readonly kind: "simulation";
  /** A change of every seed's world; the swarm's own when undefined. */
  readonly profile?: ProfileName;
  /** Only when more than `SEEDS` are needed: then it is tried with `--soak` alone. */
  readonly seeds?: number;
}

export interface TestKiller {
  readonly kind: "test";
  /** Of a suite, relative to the root. */
  readonly file: string;
  /** Part of the names of the tests that are run; all of the suite when undefined. */
  readonly name?: string;
}

export type Killer = SimulationKiller | TestKiller;

export interface Mutant {
  /** In kebab-case, unique. */
  readonly id: string;
  /** Number of the trap in the list that `catalogue.ts` explains. */
  readonly trap: number;
  /** The mistake in one sentence. */
  readonly what: string;
  readonly edits: readonly Edit[];
  /** Every one of them must kill. */
  readonly killers: readonly Killer[];
}

/** Seeds that the gate affords; a mutant should need no more. */
export const SEEDS = 200;
/** And a night. */
export const SOAK_SEEDS = 5000;

/** The usual killer: the simulator with its own worlds. */
export const SIMULATOR: SimulationKiller = { kind: "simulation" };

export function suite(file: string, name?: string): TestKiller {
  return name === undefined ? { kind: "test", file } : { kind: "test", file, name };
}

/** A golden transcript of consensus. */
export function raftTranscript(name: string): TestKiller {
  return suite("packages/raft/test/transcripts.test.ts", name);
}
