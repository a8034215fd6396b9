/** How much one entry takes: followers get it in one message, which has a bound (grpc: 4 MiB). */
import { expect, test } from "vitest";
import type { Command } from "../../src/queue/index.ts";
import { ENTRY_BYTES_MAX, ENTRY_COMMANDS_MAX } from "../../src/replica/limits.ts";
import { entryLength, sizeOf } from "../../src/replica/requests.ts";

const ID = new Uint8Array(16);

function reportOf(bytes: number): { readonly command: Command } {
  const result = new Uint8Array(bytes);
  return { command: { type: "complete", id: ID, token: 1, result, resultType: "binary" } };
}

function times(count: number, bytes: number) {
  return Array.from({ length: count }, () => reportOf(bytes));
}

test("an entry closes before its commands exceed its bound", () => {
  const queued = times(50, ENTRY_BYTES_MAX / 10);
  const length = entryLength(queued);
  const bytes = queued.slice(0, length).reduce((sum, { command }) => sum + sizeOf(command), 0);
  expect(bytes).toBeLessThanOrEqual(ENTRY_BYTES_MAX);
  expect(length).toBe(9);
});

test("a single command beyond it gets an entry of its own", () => {
  const large = reportOf(3 * ENTRY_BYTES_MAX);
  expect(entryLength([large, ...times(5, 1)])).toBe(1);
  expect(entryLength([...times(5, 1), large])).toBe(5);
});

test("an entry takes so many commands and not one more", () => {
  expect(entryLength(times(ENTRY_COMMANDS_MAX + 1, 0))).toBe(ENTRY_COMMANDS_MAX);
  expect(entryLength([])).toBe(0);
});
