/**
 * JSON for logs, which people read on terminals: what would drive a terminal, begin a line for some
 * reader, or turn the direction of the text is escaped. JSON itself escapes only what is below a
 * space. The value stays the same, and so does the line's own end.
 */
const INVISIBLE = /[\u007f-\u009f\u2028\u2029\p{Format}]/gu;

export function printableJson(json: string): string {
  return json.replace(INVISIBLE, (character) => {
    // By units of UTF-16, because JSON knows no other escapes.
    const units = character.split("").map((unit) => unit.charCodeAt(0).toString(16));
    return units.map((digits) => `\\u${digits.padStart(4, "0")}`).join("");
  });
}
