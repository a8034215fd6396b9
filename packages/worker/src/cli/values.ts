/**
 * Values of flags and variables: from text, or an error that names the source and what is allowed.
 */
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { parseDuration } from "task-queue-protocol";
import { EXIT, StartError } from "./exit-status.ts";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

export function text(value: string): string {
  return value.trim();
}

export function list(value: string): readonly string[] {
  return value
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
}

const SWITCH: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["yes", true],
  ["on", true],
  ["false", false],
  ["0", false],
  ["no", false],
  ["off", false],
  ["", false],
]);

/** In the words in which YAML and shells say it. */
export function isOn(value: string, source: string): boolean {
  const on = SWITCH.get(value.trim().toLowerCase());
  if (on !== undefined) return on;
  throw wrong(source, value, "true or false");
}

/** A parser of whole numbers from `min` to `max`. */
export function whole(min: number, max: number): (value: string, source: string) => number {
  return (value, source) => {
    const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw wrong(source, value, `a whole number from ${min} to ${max}`);
  };
}

/** A parser of seconds from `min` to `max`: a number of them, or as brokers read it, `1m30s`. */
export function seconds(min: number, max: number): (value: string, source: string) => number {
  return (value, source) => {
    const found = (parseDuration(value, 1_000) ?? Number.NaN) / 1_000;
    if (found >= min && found <= max) return found;
    throw wrong(
      source,
      value,
      `a number from ${min} to ${max}, or a duration such as 15s or 1m30s`,
    );
  };
}

export function logLevel(value: string, source: string): string {
  const level = value.trim().toLowerCase();
  if (LOG_LEVELS.includes(level)) return level;
  throw wrong(source, value, `one of ${LOG_LEVELS.join(", ")}`);
}

/** `key=value,key=value`. */
export function labels(value: string, source: string): Readonly<Record<string, string>> {
  const entries = list(value).map((pair): [string, string] => {
    const at = pair.indexOf("=");
    if (at < 1) throw wrong(source, pair, "key=value");
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  });
  return Object.fromEntries(entries);
}

/** `NAME=/path/to/program,...`; each must be there and be executable. */
export function programs(value: string, source: string): ReadonlyMap<string, string> {
  const allowed = new Map<string, string>();
  for (const pair of list(value)) {
    const at = pair.indexOf("=");
    const path = pair.slice(at + 1);
    if (at < 1 || !isAbsolute(path)) throw wrong(source, pair, "NAME=/absolute/path");
    if (!isProgram(path)) throw wrong(source, pair, "the path of an executable file");
    allowed.set(pair.slice(0, at), path);
  }
  return allowed;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** A wrong flag is a usage error, a wrong variable one of configuration. */
function wrong(source: string, value: string, allowed: string): StartError {
  const status = source.startsWith("--") ? EXIT.usage : EXIT.config;
  return new StartError(status, `${source}: "${value}" is not ${allowed}`);
}
