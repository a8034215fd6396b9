/**
 * The file of `--config`: what the flags say, under their names, in YAML, of which JSON is a part;
 * or the file of a broker, with its section `worker`. A key that is no flag is refused by its line,
 * and so is a shape that its flag cannot have; whether a value is right is for whoever reads the
 * flags.
 */
import { readFileSync } from "node:fs";
import { nearest } from "task-queue-protocol";
import { type Document, isMap, LineCounter, type Pair, parseDocument } from "yaml";
import { EXIT, StartError } from "./exit-status.ts";
import {
  isBrokerSection,
  optionOf,
  reasonWithout,
  WORKER_KEYS,
  WORKER_SECTION,
} from "./guide-file.ts";

/** A value as its flag would have it. */
export interface FileValue {
  readonly value: string;
  /** As an error message names it: file, line and key. */
  readonly source: string;
}

export interface FileContent {
  /** By the names of flags. */
  readonly values: ReadonlyMap<string, FileValue>;
  /** What in it changes nothing, and why. */
  readonly notes: readonly string[];
}

/** A file of options has some kilobytes; anything much longer is another file. */
const FILE_CHARS_MAX = 256 * 1024;
const LISTS: ReadonlySet<string> = new Set(["broker-addr", "queues", "types", "exec-allow"]);
const MAPS: ReadonlySet<string> = new Set(["labels", "exec-allow"]);

/** `known`: the flags that it may name. Throws `StartError` with all mistakes. */
export function readConfigFile(path: string, known: readonly string[]): FileContent {
  const lines = new LineCounter();
  const document = parseDocument(contentOf(path), { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) throw unusable(`${path}: ${error.message.split("\n", 1)[0]}`);
  const reading = new Reading(known);
  if (document.contents === null) return reading.done();
  if (!isMap(document.contents)) throw unusable(`${path}: it is no map of options to values`);
  const values = plainOf(document, path);
  const placeOf = (pair: Pair) => `${path}:${lineOf(pair, lines)}: `;
  for (const pair of document.contents.items) {
    const key = String(pair.key);
    const given: unknown = values[key];
    const place = placeOf(pair);
    if (key === WORKER_SECTION && isMap(pair.value)) {
      const inside = given as Readonly<Record<string, unknown>>;
      for (const each of pair.value.items) {
        reading.takeOfSection(String(each.key), inside[String(each.key)], placeOf(each));
      }
    } else if (isBrokerSection(key) || (key === WORKER_SECTION && given === null)) {
      if (given !== null) reading.note(`${place}${key}: it is for tq-broker, and not read here`);
    } else {
      reading.take(key.replaceAll("_", "-"), given, `${place}${key}`);
    }
  }
  return reading.done();
}

/** What was found so far, of one file. */
class Reading {
  readonly #known: readonly string[];
  readonly #values = new Map<string, FileValue>();
  readonly #notes: string[] = [];
  readonly #mistakes: string[] = [];

  constructor(known: readonly string[]) {
    this.#known = known;
  }

  take(name: string, given: unknown, source: string): void {
    const value = textOf(name, given);
    const earlier = this.#values.get(name);
    if (!this.#known.includes(name)) {
      this.#mistakes.push(`${source}: there is no such option${hint(name, this.#known)}`);
    } else if (value === undefined) this.#mistakes.push(`${source}: ${shapeOf(name)}`);
    else if (earlier !== undefined && earlier.value !== value) {
      this.#mistakes.push(`${source}: it says another thing than ${earlier.source}`);
    } else if (given !== null) this.#values.set(name, { value, source });
  }

  takeOfSection(key: string, given: unknown, place: string): void {
    const source = `${place}${WORKER_SECTION}.${key}`;
    const name = optionOf(key);
    const why = reasonWithout(key);
    if (name !== undefined) this.take(name, given, source);
    else if (why !== undefined) this.note(`${source} has no effect here: ${why}`);
    else
      this.#mistakes.push(`${source}: there is no such key; there are ${WORKER_KEYS.join(", ")}`);
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  done(): FileContent {
    if (this.#mistakes.length > 0) throw unusable(this.#mistakes.join("\n"));
    return { values: this.#values, notes: this.#notes };
  }
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
