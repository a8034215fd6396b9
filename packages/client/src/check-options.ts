/** Options of callers as values of their kinds. Refusals are `TqError` with the option's name. */
import { TqError } from "task-queue-protocol";

/** A program in plain JavaScript may pass anything; say which option it was. */
export function text(field: string, value: string | undefined): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw invalid(field, `a ${typeof value} instead of a text`);
  return value;
}

export function whole(field: string, value: number | undefined): number {
  if (value === undefined) return 0;
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalid(field, `${value} is not a whole number of 0 or more`);
  }
  return value;
}

export function finite(field: string, value: number): number {
  if (!Number.isFinite(value)) throw invalid(field, `${value} is not a finite number`);
  return value;
}

export function invalid(field: string, why: string, cause?: unknown): TqError {
  return new TqError("invalid_request", `${field}: ${why}`, { field, cause });
}

/** Zero says "none"; any time in the past is as past as the first after 1970. */
export function toTime(field: string, time: Date | number | undefined): number {
  if (time === undefined) return 0;
  const ms = Math.trunc(Number(time));
  if (!Number.isSafeInteger(ms)) throw invalid(field, "it is not a valid time");
  return Math.max(ms, 1);
}
