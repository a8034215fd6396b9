/**
 * Reads the fields of a JSON object that a caller sent: each has a type, and a wrong one is refused
 * by name. `null` counts as absent, because many serialisers write it for "nothing". Only own
 * properties are looked at, so that a key such as `__proto__` is an unknown field and nothing more.
 */

import { didYouMean } from "task-queue-protocol";
import { invalid, kindOf, shown, unknownField } from "./invalid.ts";
import { DATE_TIME_EXAMPLE, parseDateTime } from "./rfc3339.ts";

export class Fields {
  readonly source: object;
  /** Put before every field name in messages: `tasks[3].`. */
  readonly #prefix: string;

  constructor(object: object, prefix = "") {
    this.source = object;
    this.#prefix = prefix;
  }

  /** The fields of an object; anything else is refused under the name `what`. */
  static of(value: unknown, what: string, prefix = ""): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw invalid(what, `a JSON object is expected, not ${kindOf(value)}`);
    }
    return new Fields(value, prefix);
  }

  path(name: string): string {
    return this.#prefix + name;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The raw value, undefined when absent or null. */
  get(name: string): unknown {
    return this.raw(name) ?? undefined;
  }

  /** The raw value, null included. */
  raw(name: string): unknown {
    return Object.hasOwn(this.source, name)
      ? (this.source as Record<string, unknown>)[name]
      : undefined;
  }

  names(): string[] {
    return Object.keys(this.source);
  }

  /** Refuses every field that is in neither list; suggestions come from `known` alone. */
  refuseUnknown(known: readonly string[], ignored: readonly string[] = []): void {
    for (const name of this.names()) {
      if (known.includes(name) || ignored.includes(name)) continue;
      throw unknownField(this.path(name), name, known);
    }
  }

  string(name: string): string | undefined {
    const value = this.get(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.#wrong(name, "text", value);
  }

  boolean(name: string): boolean | undefined {
    const value = this.get(name);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.#wrong(name, "true or false", value);
  }

  number(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.#wrong(name, "a number", value);
  }

  integer(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    throw this.#wrong(name, "a whole number", value);
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.string(name);
    if (value === undefined) return undefined;
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const list = allowed.join(", ");
    const guess = didYouMean(value, allowed);
    throw invalid(this.path(name), `${shown(value)} is none of ${list}.${guess}`);
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.#wrong(name, "a list of texts", value);
    for (const [index, item] of value.entries()) {
      if (typeof item !== "string") throw this.#wrong(`${name}[${index}]`, "text", item);
    }
    return value;
  }

  integers(name: string): readonly number[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.#wrong(name, "a list of whole numbers", value);
    for (const [index, item] of value.entries()) {
      if (!Number.isSafeInteger(item)) {
        throw this.#wrong(`${name}[${index}]`, "a whole number", item);
      }
    }
    return value;
  }

  /** Milliseconds since 1970. */
  dateTime(name: string): number | undefined {
    const text = this.string(name);
    if (text === undefined) return undefined;
    const time = parseDateTime(text);
    if (time !== undefined) return time;
    const example = `an RFC 3339 date-time with a zone is expected, such as ${DATE_TIME_EXAMPLE}`;
    throw invalid(this.path(name), `${shown(text)} is not readable; ${example}`);
  }

  object(name: string): Fields | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    return Fields.of(value, this.path(name), `${this.path(name)}.`);
  }

  #wrong(name: string, expected: string, value: unknown): Error {
    const kind = kindOf(value);
    const plain = typeof value === "string" || typeof value === "number";
    const what = plain ? `${kind} (${shown(value)})` : kind;
    return invalid(this.path(name), `${expected} is expected, not ${what}`);
  }
}
