/**
 * Instants as text. Only full RFC 3339 date-times with a zone are read: anything looser means one
 * thing here and another there. Written with milliseconds, in UTC.
 */

const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,9})?([Zz]|([+-])(\d\d):(\d\d))$/;

/** Shown in messages about unreadable instants. */
export const DATE_TIME_EXAMPLE = "2026-03-31T08:00:00Z";

/** Milliseconds since 1970 (negative before), or undefined when the text is not such an instant. */
export function parseDateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as number[];
  const offsetHours = Number(match[10] ?? 0);
  const offsetMinutes = Number(match[11] ?? 0);
  if (hour! > 23 || minute! > 59 || second! > 59 || offsetHours > 23 || offsetMinutes > 59) {
    return undefined;
  }
  const date = new Date(0);
  date.setUTCFullYear(year!, month! - 1, day!);
  // The calendar rolls 30 February over into March; an instant that was rolled was not one.
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return undefined;
  const fraction = Math.floor(Number(`0${match[7] ?? ".0"}`) * 1000);
  const local = date.getTime() + ((hour! * 60 + minute!) * 60 + second!) * 1000 + fraction;
  const offset = (offsetHours * 60 + offsetMinutes) * 60_000;
  return match[9] === "-" ? local + offset : local - offset;
}

export function formatDateTime(ms: number): string {
  return new Date(ms).toISOString();
}
