/**
 * The kinds of values that settings have. Each reads a YAML value or the text of a variable or
 * flag, says what is allowed when it cannot, and writes a value back as a file would have it.
 */
import { formatDuration, parseDuration } from "task-queue-protocol";
import { formatSize, parseSize } from "./size.ts";

/** What an editor may know of a value: a JSON Schema. */
export type ValueSchema = Readonly<Record<string, unknown>>;

/** Thrown by `parse`: the part of the message that follows the value. */
export class NotAllowed extends Error {
  /** Of a list: which of its items is wrong. */
  readonly item: number | undefined;

  constructor(message: string, item?: number) {
    super(message);
    this.item = item;
  }
}

export interface Kind<T> {
  /** What may stand there, for messages and the reference: "a whole number from 0 to 65535". */
  readonly allowed: string;
  /** Of its forms in YAML; `parse` may be stricter. undefined: only `parse` can tell. */
  readonly schema?: ValueSchema;
  /** Throws `NotAllowed`. */
  parse(value: unknown): T;
  /** As YAML. */
  format(value: T): string;
  /** It is not repeated in messages: those of `NotAllowed` then say all there is to say. */
  readonly secret?: boolean;
}

const DIGITS = /^\d{1,15}$/;
const NUMBER = /^\d+(\.\d+)?$/;
const SHARE = /^(\d+(?:\.\d+)?)(%?)$/;
/** For schemas alone: the texts are read where durations and sizes are at home. */
const LENGTH_OF_TIME = /^(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)$/;
const AMOUNT = /^\d+(\.\d+)?\s*([kKmMgG][iI]?)?[bB]?$/;

export interface Range {
  readonly min: number;
  readonly max: number;
}

export function text(allowed: string, pattern: RegExp): Kind<string> {
  return {
    allowed,
    schema: { type: ["string", "number"], pattern: pattern.source },
    parse(value) {
      const plain = typeof value === "number" ? String(value) : value;
      if (typeof plain === "string" && pattern.test(plain)) return plain;
      throw new NotAllowed(allowed);
    },
    format: (value) => value,
  };
}

export function integer(range: Range): Kind<number> {
  const allowed = `a whole number from ${range.min} to ${range.max}`;
  const schema = scaled("integer", range, DIGITS);
  return numeric({ allowed, schema }, range, (value) =>
    DIGITS.test(value) ? Number(value) : undefined,
  );
}

export function decimal(range: Range): Kind<number> {
  const allowed = `a number from ${range.min} to ${range.max}`;
  const schema = scaled("number", range, NUMBER);
  return numeric({ allowed, schema }, range, (value) =>
    NUMBER.test(value) ? Number(value) : undefined,
  );
}

/** A share, written as `10%` or as `0.1`. */
export function share(): Kind<number> {
  const allowed = "a share such as 10% or 0.1, from 0 to 100%";
  const range = { min: 0, max: 1 };
  const schema = scaled("number", range, SHARE);
  const kind = numeric({ allowed, schema }, range, (value) => {
    const match = SHARE.exec(value);
    return match === null ? undefined : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  });
  return { ...kind, format: (value) => `${value * 100}%` };
}

/** Milliseconds. `bareUnitMs`: what a number without a unit counts; without it a unit is needed. */
export function duration(range: Range, bareUnitMs?: number): Kind<number> {
  const bounds = `from ${formatDuration(range.min)} to ${formatDuration(range.max)}`;
  const unit = bareUnitMs === 1 ? "milliseconds or " : bareUnitMs === 1000 ? "seconds or " : "";
  const allowed = `${unit}a duration such as 500ms, 30s, 1m30s, ${bounds}`;
  const schema =
    bareUnitMs === undefined
      ? { type: "string", pattern: LENGTH_OF_TIME.source }
      : scaled("number", inUnits(range, bareUnitMs), LENGTH_OF_TIME);
  const kind = numeric({ allowed, schema }, range, (value) => parseDuration(value, bareUnitMs));
  const format = (value: number) =>
    bareUnitMs === undefined ? formatDuration(value) : String(value / bareUnitMs);
  return { ...kind, format };
}

/** Bytes. */
export function size(range: Range): Kind<number> {
  const bounds = `from ${formatSize(range.min)} to ${formatSize(range.max)}`;
  const allowed = `a size such as 64KB or 128MB, ${bounds}`;
  const schema = scaled("number", range, AMOUNT);
  return { ...numeric({ allowed, schema }, range, parseSize), format: formatSize };
}

export function flag(): Kind<boolean> {
  const allowed = "true or false";
  return {
    allowed,
    schema: { enum: [true, false, 1, 0, "true", "false", "1", "0"] },
    parse(value) {
      const plain = String(value).toLowerCase();
      if (plain === "true" || plain === "1") return true;
      if (plain === "false" || plain === "0") return false;
      throw new NotAllowed(allowed);
    },
    format: String,
  };
}

export function oneOf<T extends string>(values: readonly T[]): Kind<T> {
  const allowed = values.join(", ");
  return {
    allowed,
    schema: { enum: values },
    parse(value) {
      const found = values.find((candidate) => candidate === String(value).toLowerCase());
      if (found !== undefined) return found;
      throw new NotAllowed(allowed);
    },
    format: (value) => value,
  };
}

/** A YAML list, or a text with commas between its items. */
export function list(what: string): Kind<readonly string[]> {
  const allowed = `a list of ${what}`;
  const items = { type: "string", pattern: "\\S" };
  return {
    allowed,
    schema: { type: ["array", "string", "null"], items },
    parse(value) {
      const items = typeof value === "string" ? value.split(",") : (value ?? []);
      if (!Array.isArray(items)) throw new NotAllowed(allowed);
      const texts = items.map((item) => (typeof item === "string" ? item.trim() : ""));
      if (texts.some((item) => item === "")) throw new NotAllowed(allowed);
      return texts;
    },
    format: (value) => `[${value.join(", ")}]`,
  };
}

function numeric(
  { allowed, schema }: { readonly allowed: string; readonly schema: ValueSchema },
  range: Range,
  read: (text: string) => number | undefined,
): Kind<number> {
  return {
    allowed,
    schema,
    parse(value) {
      const plain = typeof value === "number" || typeof value === "string" ? String(value) : "";
      const number = read(plain.trim());
      if (number !== undefined && number >= range.min && number <= range.max) return number;
      throw new NotAllowed(allowed);
    },
    format: String,
  };
}

/** A number within bounds, or a text with one. */
function scaled(type: "integer" | "number", { min, max }: Range, text: RegExp): ValueSchema {
  return { type: [type, "string"], minimum: min, maximum: max, pattern: text.source };
}

function inUnits({ min, max }: Range, unit: number): Range {
  return { min: min / unit, max: max / unit };
}
