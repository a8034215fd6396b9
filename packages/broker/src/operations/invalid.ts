/** The two refusals of bad input that every verb words alike, each naming its field. */
import { didYouMean, TqError } from "task-queue-protocol";

/** Longer texts of a caller are cut before they are shown back. */
const SHOWN_LENGTH_MAX = 60;
/** The same for the names of fields, which a caller is free to invent. */
const FIELD_LENGTH_MAX = 100;

/** Bad input in one field: what is wrong and what is allowed. */
export function invalid(field: string, message: string): TqError {
  return new TqError("invalid_request", `${field}: ${message}`, { field });
}

/** A name that is not in `known`, with the nearest that is. */
export function unknownField(field: string, name: string, known: Iterable<string>): TqError {
  const message = `there is no field ${shown(name)}.${didYouMean(name, known)}`;
  return new TqError("unknown_field", message, { field: field.slice(0, FIELD_LENGTH_MAX) });
}

/** A value of the caller's as an error message may show it: JSON, cut to a readable length. */
export function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return kindOf(value);
  const text = typeof value === "string" ? value : String(value);
  const cut = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
  return typeof value === "string" ? JSON.stringify(cut) : cut;
}

/** What kind of JSON value it is, in words. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "object":
      return "an object";
    case "string":
      return "text";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    default:
      return typeof value;
  }
}
