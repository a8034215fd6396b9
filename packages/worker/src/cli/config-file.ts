/**
 * The file of `--config`: what the flags say, under their names, in YAML, of which JSON is a part.
 * A key that is no flag is refused by its line, and so is a shape that its flag cannot have;
 * whether a value is right is for whoever reads the flags.
 */
import { readFileSync } from "node:fs";
import { nearest } from "task-queue-protocol";
import { type Document, isMap, LineCounter, type Pair, parseDocument } from "yaml";
import { EXIT, StartError } from "./exit-status.ts";

/** A value as its flag would have it. */
export interface FileValue {
  readonly value: string;
  /** As an error message names it: file, line and key. */
  readonly source: string;
}

/** A file of options has some kilobytes; anything much longer is another file. */
const FILE_CHARS_MAX = 256 * 1024;
const LISTS: ReadonlySet<string> = new Set(["broker-addr", "queues", "types", "exec-allow"]);
const MAPS: ReadonlySet<string> = new Set(["labels", "exec-allow"]);

/** By the names of flags, of which `known` are allowed. Throws `StartError` with all mistakes. */
export function readConfigFile(
  path: string,
  known: readonly string[],
): ReadonlyMap<string, FileValue> {
  const lines = new LineCounter();
  const document = parseDocument(contentOf(path), { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) throw unusable(`${path}: ${error.message.split("\n", 1)[0]}`);
  const found = new Map<string, FileValue>();
  if (document.contents === null) return found;
  if (!isMap(document.contents)) throw unusable(`${path}: it is no map of options to values`);
  const values = plainOf(document, path);
  const mistakes: string[] = [];
  for (const pair of document.contents.items) {
    const key = String(pair.key);
    const source = `${path}:${lineOf(pair, lines)}: ${key}`;
    const name = key.replaceAll("_", "-");
    const given: unknown = values[key];
    const value = textOf(name, given);
    if (!known.includes(name))
      mistakes.push(`${source}: there is no such option${hint(name, known)}`);
    else if (value === undefined) mistakes.push(`${source}: ${shapeOf(name)}`);
    else if (given !== null) found.set(name, { value, source });
  }
  if (mistakes.length > 0) throw unusable(mistakes.join("\n"));
  return found;
}

/** Aliases of aliases can stand for far more than the file holds. */
function plainOf(document: Document, path: string): Readonly<Record<string, unknown>> {
  try {
    return document.toJS();
  } catch (cause) {
    throw unusable(`${path}: ${(cause as Error).message}`);
  }
}

function contentOf(path: string): string {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (cause) {
    throw new StartError(EXIT.config, `--config: ${(cause as Error).message}`, cause);
  }
  if (content.length <= FILE_CHARS_MAX) return content;
  throw unusable(`--config: ${path} is longer than ${FILE_CHARS_MAX} characters`);
}

/** undefined: the flag takes no such thing. */
function textOf(name: string, value: unknown): string | undefined {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) {
    return String(value ?? "");
  }
  if (Array.isArray(value)) {
    return LISTS.has(name) && value.every(isScalar) ? value.join(",") : undefined;
  }
  const entries = Object.entries(value as object);
  if (!MAPS.has(name) || !entries.every(([, each]) => isScalar(each))) return undefined;
  return entries.map((entry) => entry.join("=")).join(",");
}

/** What stands in a list with commas cannot have one. */
function isScalar(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value) && !String(value).includes(",");
}

function shapeOf(name: string): string {
  const kinds = ["a single value"];
  if (LISTS.has(name)) kinds.push("a list");
  if (MAPS.has(name)) kinds.push("a map of names to values");
  return `it must be ${kinds.join(" or ")}${kinds.length > 1 ? ", without commas in it" : ""}`;
}

function hint(name: string, known: readonly string[]): string {
  const guess = nearest(name, known)?.replaceAll("-", "_");
  const names = known.map((each) => each.replaceAll("-", "_"));
  return guess === undefined ? `; there are ${names.join(", ")}` : `; did you mean "${guess}"?`;
}

function lineOf({ key }: Pair, lines: LineCounter): number {
  const [offset = 0] = (key as { readonly range?: readonly number[] }).range ?? [];
  return lines.linePos(offset).line;
}

function unusable(message: string): StartError {
  return new StartError(EXIT.config, message);
}
