/**
 * Reads what was given on the command line; a wrong value is a usage error that says what is right.
 */
import type { Arguments } from "./command.ts";
import { CliError, EXIT, unread } from "./exit-status.ts";
import type { Io } from "./io.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PEER = /^([A-Za-z0-9._-]{1,64})@(?:\[[0-9A-Fa-f:.]+\]|[^\s:@/[\]]+):\d{1,5}(?:\/\d{1,5})?$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The lowest first. */
export const PRIORITIES = ["low", "normal", "high", "critical"] as const;

export function text(args: Arguments, name: string): string | undefined {
  const value = args[name];
  if (Array.isArray(value)) throw new CliError(EXIT.usage, `--${name} was given twice`);
  return value === undefined ? undefined : String(value);
}

export function texts(args: Arguments, name: string): readonly string[] {
  const value = args[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

export function flagged(args: Arguments, name: string): boolean {
  return args[name] === true;
}

/** The node that `args.peer` names: `id@host:port`, with `/busport`. */
export function peerOf(args: Arguments): { readonly id: string; readonly text: string } {
  const given = text(args, "peer") ?? "";
  const id = PEER.exec(given)?.[1];
  if (id !== undefined) return { id, text: given };
  const allowed = "write ID@HOST:PORT or ID@HOST:PORT/BUSPORT, as in node4@10.0.1.14:6379";
  throw new CliError(EXIT.usage, `"${given}" names no node; ${allowed}`);
}

export function oneOf<T extends string>(
  args: Arguments,
  name: string,
  allowed: readonly T[],
): T | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw wrong(name, value, `one of ${allowed.join(", ")}`);
  return found;
}

/** A whole number from `min` to `max`. */
export function whole(args: Arguments, name: string, min: number, max: number): number | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw wrong(name, value, `a whole number from ${min} to ${max}`);
}

/** `500ms`, `30s`, `1m30s`, `1h`; a bare number is seconds. */
export function duration(args: Arguments, name: string): number | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const ms = parseDuration(value);
  if (ms === undefined) throw wrong(name, value, "a duration such as 500ms, 30s or 1h30m");
  return ms;
}

/** `2030-01-31T08:00:00Z`. */
export function time(args: Arguments, name: string): Date | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const zoned = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(value);
  const instant = new Date(value);
  if (zoned && !Number.isNaN(instant.getTime())) return instant;
  throw wrong(name, value, "a time with its zone, as in 2030-01-31T08:00:00Z");
}

/** A time, or how long ago it was: `2h`. */
export function moment(args: Arguments, name: string, now: number): Date | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  const ago = parseDuration(value);
  return ago === undefined ? time(args, name) : new Date(now - ago);
}

export function parseDuration(value: string): number | undefined {
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  if (!/^(?:\d+(?:ms|s|m|h|d))+$/.test(value)) return undefined;
  let total = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return total;
}

/** The task id in `args.id`, or under another name. */
export function taskId(args: Arguments, name = "id"): string {
  const id = text(args, name) ?? "";
  if (UUID.test(id)) return id.toLowerCase();
  throw new CliError(
    EXIT.usage,
    `"${id}" is not a task id; ids look like 0198f2c4-…-7…, 36 characters`,
  );
}

/** JSON from the argument itself, from `@file`, or from standard input (`-`). */
export function jsonOf(source: string, name: string, io: Io): unknown {
  const content = contentOf(source, name, io);
  try {
    return JSON.parse(content);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new CliError(EXIT.data, `--${name} is not JSON: ${why}; a string needs quotes: '"text"'`);
  }
}

function contentOf(source: string, name: string, io: Io): string {
  if (source !== "-" && !source.startsWith("@")) return source;
  const path = source.slice(1);
  if (source === "@") throw wrong(name, source, "a file: write its name behind the @");
  try {
    return source === "-" ? io.readStdin() : io.readFile(path);
  } catch (cause) {
    throw unread(`--${name}`, source === "-" ? "standard input" : path, cause, EXIT.notFound);
  }
}

export function wrong(name: string, value: string, allowed: string): CliError {
  return new CliError(EXIT.usage, `--${name}: "${value}" is not ${allowed}`);
}
