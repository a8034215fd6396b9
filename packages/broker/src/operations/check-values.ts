/** Checks of single values, which several parts of a submit and of a queue's settings share. */
import { invalid, shown } from "./invalid.ts";
import { NAME_LENGTH_MAX } from "./limits.ts";

const NAME = /^[A-Za-z0-9._:-]+$/;
const UNPRINTABLE = /[\p{Control}\p{Surrogate}]/u;
const LABEL = /^[A-Za-z0-9._/-]{1,100}=[^\p{Control}\p{Surrogate}]{0,200}$/u;

/** Of a type or queue. */
export function checkName(name: string, field: string): void {
  if (name.length <= NAME_LENGTH_MAX && NAME.test(name)) return;
  const allowed = `1 to ${NAME_LENGTH_MAX} of A-Z a-z 0-9 . _ : -`;
  throw invalid(field, `${shown(name)} is not a name; allowed are ${allowed}`);
}

export function checkRange(value: number, min: number, max: number, field: string): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalid(field, `${value} is out of range; allowed is a whole number from ${min} to ${max}`);
}

/** A text of the caller's own that something is found by. */
export function checkKey(key: string, bytesMax: number, field: string): void {
  if (!isPrintable(key)) throw invalid(field, "control characters are not allowed");
  const size = Buffer.byteLength(key);
  if (size <= bytesMax) return;
  throw invalid(field, `${size} bytes; at most ${bytesMax} are allowed`);
}

/** Neither control characters nor halves of characters, which have no form in UTF-8. */
export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text);
}

/** `key=value`, of a worker or required of one. */
export function isLabel(text: string): boolean {
  return LABEL.test(text);
}
