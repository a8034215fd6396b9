/**
 * How many objects, lists and members a JSON text has, counted without parsing it. Each of them
 * becomes something in memory that is a hundred times as large, so what is sent to make a server
 * stand still is short, and full of them.
 */
const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;

/** Whether there are more than `max`; of text that is not JSON any answer may be given. */
export function hasMoreParts(json: Uint8Array, max: number): boolean {
  let parts = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]!;
    if (byte === QUOTE) {
      at = endOfString(json, at + 1);
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET || byte === COLON) {
      parts++;
      if (parts > max) return true;
    }
  }
  return false;
}

/** The place of the quote that ends the string, or the end of the text. */
function endOfString(json: Uint8Array, from: number): number {
  let at = from;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at;
}
