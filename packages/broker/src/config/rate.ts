/** The rate of a key as it stands in the settings: `rate_per_second`, and `burst` beside it. */
import { NotAllowed } from "./kinds.ts";

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export const PER_SECOND_MIN = 0.01;
export const RATE_MAX = 1_000_000;

/** Undefined: no limit was set. `where`: the key to which both belong, for messages. */
export function readRate(perSecond: unknown, burst: unknown, where: string): Rate | undefined {
  if (perSecond === undefined) {
    if (burst === undefined) return undefined;
    throw new NotAllowed(`${where}.burst: it belongs to rate_per_second, which is not there`);
  }
  if (!isWithin(perSecond, PER_SECOND_MIN)) {
    const allowed = `a number from ${PER_SECOND_MIN} to ${RATE_MAX}`;
    throw new NotAllowed(`${where}.rate_per_second: ${allowed}`);
  }
  if (burst === undefined) return { perSecond, burst: burstOf(perSecond) };
  if (!isWithin(burst, 1) || !Number.isInteger(burst)) {
    throw new NotAllowed(`${where}.burst: a whole number from 1 to ${RATE_MAX}`);
  }
  return { perSecond, burst };
}

/** Where none was set: what may come in a second. */
export function burstOf(perSecond: number): number {
  return Math.max(1, perSecond);
}

function isWithin(value: unknown, min: number): value is number {
  return typeof value === "number" && value >= min && value <= RATE_MAX;
}
