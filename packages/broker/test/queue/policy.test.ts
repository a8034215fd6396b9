/** Policies as bytes: the same ones are read as one object, and none is mistaken for another. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readPolicy, skipPolicy, writePolicy } from "../../src/queue/codec/policy.ts";
import { Reader } from "../../src/queue/codec/reader.ts";
import { Writer } from "../../src/queue/codec/writer.ts";
import { Policies } from "../../src/queue/policies.ts";
import { BACKOFFS, JITTER_KINDS, type RetryPolicy } from "../../src/queue/task.ts";

const policy: fc.Arbitrary<RetryPolicy> = fc.record({
  maxRetries: fc.nat(3),
  backoff: fc.constantFrom(...BACKOFFS),
  initialDelayMs: fc.constantFrom(0, 127, 128, 5_000),
  multiplier: fc.constantFrom(1, 2),
  maxDelayMs: fc.constantFrom(1_000, 3_600_000),
  jitterKind: fc.constantFrom(...JITTER_KINDS),
  jitter: fc.constantFrom(0, 0.1),
  delaysMs: fc.array(fc.nat(300), { maxLength: 2 }),
});

function bytesOf(given: RetryPolicy): Uint8Array {
  const out = new Writer();
  out.begin();
  writePolicy(out, given, 2);
  out.byte(7);
  return out.finish().slice();
}

test("a row of policies is read as it was written, whatever came before", () => {
  fc.assert(
    fc.property(fc.array(policy, { minLength: 1, maxLength: 12 }), (given) => {
      const policies = new Policies();
      for (const each of given) {
        const [read, skipped] = [new Reader(bytesOf(each)), new Reader(bytesOf(each))];
        const found = readPolicy(read, 2);
        skipPolicy(skipped, 2);
        expect(found).toEqual(each);
        expect([read.byte(), skipped.byte()]).toEqual([7, 7]);
        expect(policies.get(policies.take(found))).toEqual(each);
        expect(readPolicy(new Reader(bytesOf(each)), 2)).toBe(found);
      }
    }),
  );
});

test("what is cut short is no policy, even after the whole of it", () => {
  fc.assert(
    fc.property(policy, (given) => {
      const bytes = bytesOf(given);
      readPolicy(new Reader(bytes), 2);
      for (let length = 0; length < bytes.length - 1; length++) {
        expect(() => readPolicy(new Reader(bytes.subarray(0, length)), 2)).toThrow();
      }
    }),
  );
});
