/**
 * Is this JSON (RFC 8259), and how deep does it nest? Answered over the bytes, without making a
 * value of them: every task's payload passes here, and parsing it would cost several times as much.
 * The bytes must be UTF-8, which is not looked at again.
 */

/** Nothing is wrong. */
export const JSON_VALID = -1;
/** Objects and lists lie deeper inside each other than allowed. */
export const JSON_TOO_DEEP = -2;

/** Inside: the index after what was read, or `~offset` of a mistake, or this. */
const TOO_DEEP = Number.MIN_SAFE_INTEGER;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const LIST_OPEN = 0x5b;
const LIST_CLOSE = 0x5d;
const OBJECT_OPEN = 0x7b;
const OBJECT_CLOSE = 0x7d;
const LETTER_U = 0x75;
const ESCAPED = new Set([...'"\\/bfnrt'].map((char) => char.charCodeAt(0)));
const WORDS = ["true", "false", "null"].map((word) => [...word].map((char) => char.charCodeAt(0)));

/**
 * `JSON_VALID`, `JSON_TOO_DEEP`, or the offset of the first byte that cannot stand where it does
 * (the length when the text is cut off). A plain value has depth 0, `{"a":[]}` 2.
 */
export function scanJson(bytes: Uint8Array, depthMax: number): number {
  let at = scanValue(bytes, skipSpace(bytes, 0), depthMax);
  if (at === TOO_DEEP) return JSON_TOO_DEEP;
  if (at < 0) return ~at;
  at = skipSpace(bytes, at);
  return at === bytes.length ? JSON_VALID : at;
}

function scanValue(bytes: Uint8Array, at: number, depth: number): number {
  const first = bytes[at];
  if (first === QUOTE) return scanString(bytes, at);
  if (first === OBJECT_OPEN) return depth === 0 ? TOO_DEEP : scanObject(bytes, at + 1, depth - 1);
  if (first === LIST_OPEN) return depth === 0 ? TOO_DEEP : scanList(bytes, at + 1, depth - 1);
  for (const word of WORDS) {
    if (first === word[0])
      return word.every((byte, i) => bytes[at + i] === byte) ? at + word.length : ~at;
  }
  return scanNumber(bytes, at);
}

function scanObject(bytes: Uint8Array, from: number, depth: number): number {
  let at = skipSpace(bytes, from);
  if (bytes[at] === OBJECT_CLOSE) return at + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) return ~at;
    at = scanString(bytes, at);
    if (at < 0) return at;
    at = skipSpace(bytes, at);
    if (bytes[at] !== COLON) return ~at;
    at = scanValue(bytes, skipSpace(bytes, at + 1), depth);
    if (at < 0) return at;
    at = skipSpace(bytes, at);
    if (bytes[at] === OBJECT_CLOSE) return at + 1;
    if (bytes[at] !== COMMA) return ~at;
    at = skipSpace(bytes, at + 1);
  }
}

function scanList(bytes: Uint8Array, from: number, depth: number): number {
  let at = skipSpace(bytes, from);
  if (bytes[at] === LIST_CLOSE) return at + 1;
  for (;;) {
    at = scanValue(bytes, at, depth);
    if (at < 0) return at;
    at = skipSpace(bytes, at);
    if (bytes[at] === LIST_CLOSE) return at + 1;
    if (bytes[at] !== COMMA) return ~at;
    at = skipSpace(bytes, at + 1);
  }
}

function scanString(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at + 1;
    if (byte < 0x20) return ~at;
    if (byte !== BACKSLASH) {
      at++;
      continue;
    }
    const length = escapeLength(bytes, at);
    if (length === 0) return ~at;
    at += length;
  }
  return ~bytes.length;
}

/** Of the escape at this backslash; 0 = it is none. */
function escapeLength(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1];
  if (letter === undefined) return 0;
  if (ESCAPED.has(letter)) return 2;
  if (letter !== LETTER_U) return 0;
  for (let i = 2; i < 6; i++) if (!isHex(bytes[at + i])) return 0;
  return 6;
}

function scanNumber(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start;
  if (!isDigit(bytes[at])) return ~start;
  at = bytes[at] === 0x30 ? at + 1 : skipDigits(bytes, at);
  if (bytes[at] === 0x2e && isDigit(bytes[at + 1])) at = skipDigits(bytes, at + 1);
  if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return at;
  const signed = bytes[at + 1] === 0x2b || bytes[at + 1] === 0x2d;
  const digits = at + (signed ? 2 : 1);
  return isDigit(bytes[digits]) ? skipDigits(bytes, digits) : at;
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isDigit(bytes[at])) at++;
  return at;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}
