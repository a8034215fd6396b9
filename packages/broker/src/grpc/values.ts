/**
 * Values between protobuf and the JSON that all doors share: instants, durations, enums. What is
 * out of protobuf's own range is refused here; every other rule is the operations'.
 */
import { invalid } from "../operations/invalid.ts";
import { formatDateTime } from "../operations/rfc3339.ts";
import type { WireDuration, WireEnum, WireTimestamp } from "./service.ts";

const NANOS_PER_MS = 1_000_000;
const NANOS_MAX = 999_999_999;
/** From the year 1 to the year 9999. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;

/** RFC 3339. Throws `TqError` for what is no instant of protobuf. */
export function dateTimeOf(time: WireTimestamp | null, field: string): string | undefined {
  if (time === null) return undefined;
  const seconds = Number(time.seconds);
  const isInRange = seconds >= SECONDS_MIN && seconds <= SECONDS_MAX;
  if (!isInRange || time.nanos < 0 || time.nanos > NANOS_MAX) {
    throw invalid(field, "no valid google.protobuf.Timestamp: years 1 to 9999, nanos from 0");
  }
  return formatDateTime(seconds * 1000 + Math.floor(time.nanos / NANOS_PER_MS));
}

/** Milliseconds; as large as it came, for its range is a rule of the field. */
export function msOf(duration: WireDuration | null): number | undefined {
  if (duration === null) return undefined;
  return Number(duration.seconds) * 1000 + Math.round(duration.nanos / NANOS_PER_MS);
}

/** Of a text as `formatDateTime` writes it. */
export function toTimestamp(text: string | undefined): object | undefined {
  return text === undefined ? undefined : secondsAndNanos(Date.parse(text));
}

/** Also of milliseconds since 1970. */
export function toDuration(ms: number | undefined): object | undefined {
  return ms === undefined ? undefined : secondsAndNanos(ms);
}

/** `high` of `PRIORITY_HIGH`; undefined of 0; the number of one that this version does not know. */
export function wordOf(prefix: string, name: WireEnum): string | undefined {
  if (typeof name === "number") return String(name);
  const word = name.slice(prefix.length + 1).toLowerCase();
  return word === "unspecified" ? undefined : word;
}

/** `PRIORITY_HIGH` of `high`. */
export function toEnum(prefix: string, word: string | undefined): string | undefined {
  return word === undefined ? undefined : `${prefix}_${word.toUpperCase()}`;
}

/** A text that says something. */
export function textOf(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** A list with something in it. */
export function listOf<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function secondsAndNanos(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: (ms - seconds * 1000) * NANOS_PER_MS };
}
