/**
 * Reads the fields of a built-in handler's payload. A wrong payload will not get better by trying
 * again, so every complaint is a `NonRetryable` that names the field and what it should be.
 */
import { NonRetryable } from "../errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** The payload as an object with no fields but `known`. */
export function fieldsOf(payload: unknown, handler: string, known: readonly string[]): Fields {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw new NonRetryable(`${handler}: the payload must be an object with ${known.join(", ")}`);
  }
  for (const name of Object.keys(payload)) {
    if (!known.includes(name)) {
      const list = known.join(", ");
      throw new NonRetryable(`${handler}: there is no field "${name}"; the fields are ${list}`);
    }
  }
  return payload as Fields;
}

export function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value !== undefined && typeof value !== "string") {
    throw new NonRetryable(`"${name}" must be a string`);
  }
  return value;
}

/** A whole number from `min` to `max`. */
export function optionalWhole(
  fields: Fields,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw new NonRetryable(`"${name}" must be a whole number from ${min} to ${max}`);
  }
  return value;
}
