/**
 * The settings as a JSON Schema, for editors: completion, descriptions and red lines while a file
 * is written. It knows single values only; `tq-broker --check-config` knows all rules.
 */
import { parse } from "yaml";
import { type AnyKey, SCHEMA } from "./schema.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** Of a whole file. */
export function configSchema(): JsonSchema {
  const sections = Object.entries(SCHEMA).map(([name, keys]) => [name, sectionSchema(keys)]);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Settings of tq-broker",
    type: ["object", "null"],
    additionalProperties: false,
    properties: Object.fromEntries(sections),
  };
}

function sectionSchema(keys: Readonly<Record<string, AnyKey>>): JsonSchema {
  const properties = Object.entries(keys).map(([name, key]) => [name, keySchema(key)]);
  return {
    type: ["object", "null"],
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}

function keySchema({ kind, default: fallback, doc, without }: AnyKey): JsonSchema {
  const effect = without === undefined ? "" : ` No effect here: ${without}.`;
  const description = `${doc}${effect} Allowed: ${kind.allowed}.`;
  // A default as it stands in a file; maps and lists are empty then, which needs no words.
  const isPlain = fallback !== undefined && typeof fallback !== "object";
  return { ...kind.schema, description, ...(isPlain && { default: parse(kind.format(fallback)) }) };
}
