/**
 * Gathers what file, environment and flags say, in that order: later wins. Every value is checked
 * when it comes, even one that is overridden later, and every problem is kept, so that all are told
 * at once.
 */
import { didYouMean } from "task-queue-protocol";
import type { Said } from "./config.ts";
import type { ConfigProblem } from "./config-error.ts";
import { FOREIGN_KEYS } from "./foreign-keys.ts";
import { NotAllowed } from "./kinds.ts";
import { KEYS, SCHEMA, type Settings } from "./schema.ts";

export class Collector {
  readonly problems: ConfigProblem[] = [];
  /** By key, as it was said last. */
  readonly said = new Map<string, Said>();
  readonly #values = new Map<string, unknown>();

  /** A value for `section.name`, as YAML or as text; `whereItem`: where an item of a list is. */
  put(key: string, value: unknown, where: string, whereItem?: (item: number) => string): void {
    const known = KEYS.get(key);
    if (known === undefined) {
      this.complain(where, key.replace(/\.$/, ""), unknownKey(key));
      return;
    }
    try {
      const parsed = known.kind.parse(value);
      this.#values.set(key, parsed);
      this.said.set(key, { value: known.kind.format(parsed), where });
    } catch (error) {
      if (!(error instanceof NotAllowed)) throw error;
      const text = `${show(value)} is not allowed; allowed is ${error.message}`;
      const place = error.item === undefined ? where : (whereItem?.(error.item) ?? where);
      this.complain(place, key, known.kind.secret === true ? error.message : text);
    }
  }

  complain(where: string, key: string, message: string): void {
    this.problems.push({ where, key, message });
  }

  /** Where a key was said; empty = nowhere, a default is in force. */
  whereOf(key: string): string {
    return this.said.get(key)?.where ?? "";
  }

  /** Every key's value, or its default. */
  settings(): Settings {
    const sections = Object.entries(SCHEMA).map(([section, keys]) => {
      const values = Object.entries(keys).map(([name, key]) => {
        return [name, this.#values.get(`${section}.${name}`) ?? key.default];
      });
      return [section, Object.fromEntries(values)];
    });
    // The table makes both the type and the values; the compiler cannot follow it through entries.
    return Object.fromEntries(sections) as Settings;
  }
}

/** Why a key is unknown: the nearest one, and those of its section. */
function unknownKey(key: string): string {
  const equivalent = FOREIGN_KEYS.get(key);
  if (equivalent !== undefined) return `there is no such key here; ${equivalent}`;
  const section = key.slice(0, key.indexOf("."));
  const guess = didYouMean(key, KEYS.keys());
  const siblings = [...KEYS.keys()].filter((known) => known.startsWith(`${section}.`));
  if (siblings.length === 0) {
    const sections = Object.keys(SCHEMA).join(", ");
    return `there is no section "${section}"; sections are ${sections}.${guess}`;
  }
  const names = siblings.map((known) => known.slice(section.length + 1)).join(", ");
  return `there is no such key; keys of ${section} are ${names}.${guess}`;
}

function show(value: unknown): string {
  const json = JSON.stringify(value) ?? "nothing";
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}
