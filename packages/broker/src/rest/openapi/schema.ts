/**
 * JSON Schema (2020-12, as OpenAPI 3.1 takes it) in the few words that the document needs. These
 * schemas describe and never judge: what a request may say is decided in `operations/` alone.
 */

export type Schema = Readonly<Record<string, unknown>>;
export type Fields = Readonly<Record<string, Schema>>;

export function text(description: string, more: Schema = {}): Schema {
  return { type: "string", description, ...more };
}

export function whole(description: string, more: Schema = {}): Schema {
  return { type: "integer", description, minimum: 0, ...more };
}

export function flag(description: string, more: Schema = {}): Schema {
  return { type: "boolean", description, ...more };
}

/** An instant: RFC 3339, in answers with milliseconds and in UTC. */
export function time(description: string, more: Schema = {}): Schema {
  return text(description, { format: "date-time", ...more });
}

export function uuid(description: string, more: Schema = {}): Schema {
  return text(description, { format: "uuid", ...more });
}

export function oneOf(values: readonly string[], description: string, more: Schema = {}): Schema {
  return text(description, { enum: values, ...more });
}

export function list(items: Schema, description: string, more: Schema = {}): Schema {
  return { type: "array", description, items, ...more };
}

/** Values under names that the caller chooses. */
export function named(values: Schema, description: string): Schema {
  return { type: "object", description, additionalProperties: values };
}

export function orNull(schema: Schema): Schema {
  return { ...schema, type: [schema["type"], "null"] };
}

/** `required`: names of fields that are always there. */
export function object(description: string, properties: Fields, required: readonly string[] = []) {
  return { type: "object", description, properties, required };
}

/** One that nothing else may be in: other fields are refused by name. */
export function closed(description: string, properties: Fields, required: readonly string[] = []) {
  return { ...object(description, properties, required), additionalProperties: false };
}

/** A schema of the document, by its name. */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** Every field but those. */
export function allBut(fields: Fields, left: readonly string[]): string[] {
  return Object.keys(fields).filter((name) => !left.includes(name));
}
