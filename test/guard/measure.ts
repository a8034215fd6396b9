/**
 * The cases of the guard, and how one of them is measured: in a process of its own. All figures are
 * those of 1,000 tasks; but for the bytes allocated they are the same on every machine.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Figures } from "./tally.ts";

/** Tasks a submit, and tasks that the worker holds at once. */
export const CASES = { "50 at a time": 50, "one at a time": 1 } as const;
export type Case = keyof typeof CASES;
export const CASE_NAMES = Object.keys(CASES) as readonly Case[];

export interface Measured {
  readonly figures: Figures;
  /** Bytes that the three brokers have allocated on the heap and outside, the load's included. */
  readonly allocated: number;
}

/** MB; a carry of 1,000 tasks must fit. */
const YOUNG_GENERATION = 512;
const FLAGS = [
  "--expose-gc",
  `--min-semi-space-size=${YOUNG_GENERATION}`,
  `--max-semi-space-size=${YOUNG_GENERATION}`,
  // Code is compiled at the same moment in each run, however busy the machine is.
  "--single-threaded",
];

/** `program`: the compiled `counter.ts`. */
export async function measure(program: string, name: Case): Promise<Measured> {
  const args = [...FLAGS, program, `${CASES[name]}`];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Measured;
}
