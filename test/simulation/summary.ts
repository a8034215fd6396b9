/** What many seeds have in common: violations, time, and how often each situation occurred. */
import type { SeedResult } from "./run-seed.ts";
import { SITUATIONS } from "./situations.ts";

export interface Occurrence {
  times: number;
  /** Seeds in which it occurred at least once. */
  seeds: number;
}

export interface Summary {
  seeds: number;
  simulatedMs: number;
  /** Of all processes together. */
  cpuMs: number;
  entries: number;
  tasks: number;
  readonly situations: Map<string, Occurrence>;
  readonly violations: SeedResult[];
}

export function emptySummary(): Summary {
  const situations = new Map<string, Occurrence>();
  for (const situation of SITUATIONS) situations.set(situation, { times: 0, seeds: 0 });
  return { seeds: 0, simulatedMs: 0, cpuMs: 0, entries: 0, tasks: 0, situations, violations: [] };
}

export function takeIn(summary: Summary, result: SeedResult): void {
  summary.seeds++;
  summary.simulatedMs += result.simulatedMs;
  summary.cpuMs += result.cpuMs;
  summary.entries += result.entries;
  summary.tasks += result.tasks;
  for (const [situation, count] of Object.entries(result.situations)) {
    const occurrence = summary.situations.get(situation)!;
    occurrence.times += count;
    occurrence.seeds++;
  }
  if (result.violation !== undefined) summary.violations.push(result);
}

/** Situations that never occurred. */
export function missing({ situations }: Summary): string[] {
  return [...situations].filter(([, { seeds }]) => seeds === 0).map(([situation]) => situation);
}

export function printSummary(summary: Summary, elapsedMs: number): void {
  const { seeds, simulatedMs, cpuMs, entries, tasks, violations } = summary;
  console.log(`\n${"situation".padEnd(56)}     times     seeds`);
  for (const [situation, occurrence] of summary.situations) {
    const columns = [occurrence.times, occurrence.seeds].map((count) => String(count).padStart(9));
    console.log(`${situation.padEnd(56)} ${columns.join(" ")}`);
  }
  const never = missing(summary);
  if (never.length > 0) console.log(`\nnever occurred: ${never.join("; ")}`);
  const hours = (simulatedMs / 3_600_000).toFixed(2);
  console.log(
    `\n${seeds} seeds, ${hours} h simulated in ${(elapsedMs / 1000).toFixed(1)} s, ` +
      `${Math.round(simulatedMs / cpuMs)} x real time per core, ` +
      `${entries} entries, ${tasks} tasks`,
  );
  if (violations.length === 0) console.log("no violation");
  for (const { seed, violation } of violations) {
    console.log(`violation: npm run sim -- --seed ${seed}   # ${violation?.invariant}`);
  }
}
