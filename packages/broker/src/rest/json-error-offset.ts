/**
 * Where a text stops being JSON. `JSON.parse` says so only for some mistakes and words it
 * differently from one Node to the next, so the place is found here; only ever asked after a parse
 * has failed.
 */
import { JSON_TOO_DEEP, JSON_VALID, scanJson } from "../operations/scan-json.ts";

/** Deeper texts are not searched: a mistake there is told as one at the start. */
const DEPTH_MAX = 500;

/**
 * Index of the first character that cannot stand where it does; the length if the text is cut off.
 */
export function jsonErrorOffset(text: string): number {
  const bytes = Buffer.from(text);
  const offset = scanJson(bytes, DEPTH_MAX);
  if (offset === JSON_VALID) return text.length;
  return offset === JSON_TOO_DEEP ? 0 : bytes.subarray(0, offset).toString().length;
}

/** `line 3, column 7` of an offset. */
export function lineAndColumn(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}
