/** Small things as people read them: spans, ages, nested figures. */
import type { FieldList } from "./output.ts";

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** `3h12m`, `45s`, `0s`: the two greatest units. */
export function formatSpan(ms: number): string {
  let rest = Math.max(0, Math.floor(ms / 1_000) * 1_000);
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count === 0 && parts.length === 0) continue;
    if (parts.length === 2) break;
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.join("") || "0s";
}

/** How long ago an RFC 3339 time was; `-` for none. */
export function formatAge(time: string | undefined, now: number): string {
  const then = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(then) ? "-" : formatSpan(now - then);
}

/** Nested objects as `outer.inner  value` lines. */
export function flatten(value: unknown, path = ""): FieldList {
  if (typeof value !== "object" || value === null) return [[path, shown(value)]];
  return Object.entries(value).flatMap(([key, inner]) => {
    return flatten(inner, path === "" ? key : `${path}.${key}`);
  });
}

function shown(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "-");
}

/** A JSON value in one line; `-` for none. */
export function inline(value: unknown): string {
  return value === undefined ? "-" : JSON.stringify(value);
}

/** A list with commas; `otherwise` when it is empty. */
export function joined(items: readonly string[] | undefined, otherwise: string): string {
  return items === undefined || items.length === 0 ? otherwise : items.join(",");
}
