/** Numbers as keys: every bit of them is there, and bytes sort as the numbers do. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readUint64, writeUint64 } from "../../src/storage/uint64.ts";

const MAX = Number.MAX_SAFE_INTEGER;
const EDGES = [0, 1, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, MAX];

function bytesOf(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  writeUint64(bytes, value, 0);
  return bytes;
}

test.each(EDGES)("%d comes out as it went in", (value) => {
  expect(readUint64(bytesOf(value), 0)).toBe(value);
});

test("bytes sort as the numbers do", () => {
  const number = fc.oneof(fc.constantFrom(...EDGES), fc.nat(), fc.maxSafeNat());
  fc.assert(
    fc.property(number, number, (one, other) => {
      expect(Buffer.compare(bytesOf(one), bytesOf(other))).toBe(Math.sign(one - other));
    }),
  );
});

test.each([-1, 0.5, MAX + 1, Number.NaN])("%d is refused", (value) => {
  expect(() => bytesOf(value)).toThrow(RangeError);
});

test("what only damage can produce is refused", () => {
  expect(() => readUint64(Buffer.alloc(8, 255), 0)).toThrow(RangeError);
});
