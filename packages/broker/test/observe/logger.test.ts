/** Whatever a text holds, one event is one line of JSON, and drives nobody's terminal. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../src/observe/logger.ts";

const HOSTILE = [
  '\r\n{"level":"fatal","msg":"forged"}',
  "\x1b]0;title\x07\x1b[31m",
  "\x9b2J",
  "\u2028\u2029\u202e",
  "\0",
  '"}',
  "\ud800",
];

test.each(HOSTILE)("%j in a field, a name and the text", (text) => {
  const folder = mkdtempSync(join(tmpdir(), "tq-logger-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "log");
  const log = createLogger({ level: "info", file, nodeId: "n" });
  log.warn({ text, [text]: 1, error: new Error(text) }, text);
  log.flush();
  const written = readFileSync(file, "utf8");
  expect(written.endsWith("\n")).toBe(true);
  const line = written.slice(0, -1);
  expect(line).not.toMatch(/[\p{Control}\p{Format}\u2028\u2029]/u);
  const wellFormed = text.replace("\ud800", "\ufffd");
  expect([text, wellFormed]).toContain((JSON.parse(line) as { msg: string }).msg);
});
