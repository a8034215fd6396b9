/**
 * What was measured against what was committed. Counts are compared exactly, in both directions: one
 * that has become better is to be accepted, so that it cannot become worse again unnoticed.
 * Allocations depend on the version of V8, so each major version of Node has its own figure, and
 * only more of them is a finding.
 */
import { CASE_NAMES, type Case, type Measured } from "./measure.ts";
import type { Figures } from "./tally.ts";

export interface Committed {
  readonly figures: Figures;
  /** Bytes, by major version of Node; of one that is missing there is nothing to compare. */
  readonly allocated: Readonly<Record<string, number>>;
}

export type Book = Readonly<Partial<Record<Case, Committed>>>;
export type Measurements = Readonly<Record<Case, Measured>>;

/** Above this times the committed bytes it is a finding. */
const ALLOCATED_FACTOR_MAX = 1.15;

/** One line for each figure that is not as committed. `node`: the major version that measured. */
export function findings(book: Book, measured: Measurements, node: string): readonly string[] {
  return CASE_NAMES.flatMap((name) => {
    const { figures: now, allocated: bytesNow } = measured[name];
    const { figures: then = {}, allocated: bytesThen = {} } = book[name] ?? {};
    const names = [...new Set([...Object.keys(then), ...Object.keys(now)])].sort();
    const lines = names
      .filter((figure) => (then[figure] ?? 0) !== (now[figure] ?? 0))
      .map((figure) => `${name}: ${figure}: ${change(then[figure] ?? 0, now[figure] ?? 0)}`);
    const bytes = bytesThen[node];
    if (bytes === undefined || bytesNow <= bytes * ALLOCATED_FACTOR_MAX) return lines;
    return [...lines, `${name}: bytes allocated under Node ${node}: ${change(bytes, bytesNow)}`];
  });
}

/** The book with these measurements in it; what other versions of Node allocated stays. */
export function accepted(book: Book, measured: Measurements, node: string): Book {
  const entries = CASE_NAMES.map((name) => {
    const { figures, allocated } = measured[name];
    return [name, { figures, allocated: { ...book[name]?.allocated, [node]: allocated } }];
  });
  return Object.fromEntries(entries) as Book;
}

function change(then: number, now: number): string {
  const percent = Math.round((now / then - 1) * 1_000) / 10;
  return `${then} -> ${now}${then === 0 ? "" : ` (${percent < 0 ? "" : "+"}${percent} %)`}`;
}
