/** Lengths of time as text: `500ms`, `30s`, `1m30s`, `1h`, `7d`. */

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/**
 * Milliseconds, or undefined for text that is no duration. `bareUnitMs`: what a number without a
 * unit counts; without it, a unit must be written.
 */
export function parseDuration(text: string, bareUnitMs?: number): number | undefined {
  const trimmed = text.trim();
  if (bareUnitMs !== undefined && /^\d+(\.\d+)?$/.test(trimmed)) {
    return Math.round(Number(trimmed) * bareUnitMs);
  }
  if (!WHOLE.test(trimmed)) return undefined;
  let total = 0;
  for (const [, amount, unit] of trimmed.matchAll(PART)) {
    total += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return Math.round(total);
}

/** The shortest such text that means exactly `ms`. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms !== 0 && ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}
