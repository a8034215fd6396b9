/** What a line of JSON may not do to whoever looks at it. */
import { expect, test } from "vitest";
import { printableJson } from "../src/printable-json.ts";

const HOSTILE = [
  "two\r\nlines",
  "\x1b[2J\x07 clears a screen",
  "\x9b31m, as one character",
  "\x7f",
  "lines\u2028of\u2029Unicode",
  "\u202egnp.exe",
  "\u200b\u00ad unseen",
  "\u{e0001}\u{e0041} tags",
  "plain ASCII, ünïcödé, 漢字 and 🦄",
];

test.each(HOSTILE)("%j is one line without anything unseen, and the same text", (text) => {
  const line = printableJson(JSON.stringify({ text }));
  expect(line).not.toMatch(/[\p{Control}\p{Format}\u2028\u2029]/u);
  expect(JSON.parse(line)).toEqual({ text });
});

test("what can be read stays as it is, and so does the end of the line", () => {
  expect(printableJson('{"text":"ünïcödé 漢字 🦄"}\n')).toBe('{"text":"ünïcödé 漢字 🦄"}\n');
});
