import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quorumSize, quorumValue, voteResult } from "../src/quorum.ts";

/** The definition: the highest value that at least a quorum has reached. */
function bruteForce(values: readonly number[]): number {
  const reached = values.filter((candidate) => {
    return values.filter((value) => value >= candidate).length > values.length / 2;
  });
  return Math.max(...reached);
}

describe("quorum arithmetic", () => {
  test("sizes", () => {
    expect([1, 2, 3, 4, 5, 6, 7].map(quorumSize)).toEqual([1, 2, 2, 3, 3, 4, 4]);
  });

  // Where a sort of strings goes wrong: 9 and 10, 99 and 100.
  test("equals brute force for all vectors of up to five voters", () => {
    const levels = [0, 9, 10, 99, 100];
    let vectors: number[][] = [[]];
    for (let size = 1; size <= 5; size++) {
      vectors = vectors.flatMap((vector) => levels.map((level) => [...vector, level]));
      for (const vector of vectors) {
        const expected = bruteForce(vector);
        if (quorumValue([...vector]) !== expected) expect(vector).toBe(expected);
      }
    }
  });

  test("equals brute force for all vectors of six and seven voters", () => {
    const levels = [9, 10, 100];
    let vectors: number[][] = [[]];
    for (let size = 1; size <= 7; size++) {
      vectors = vectors.flatMap((vector) => levels.map((level) => [...vector, level]));
      if (size < 6) continue;
      for (const vector of vectors) {
        const expected = bruteForce(vector);
        if (quorumValue([...vector]) !== expected) expect(vector).toBe(expected);
      }
    }
  });

  test("equals brute force far out, where 32 bits end", () => {
    const index = fc.oneof(fc.integer({ min: 0, max: 2 ** 53 - 1 }), fc.maxSafeNat());
    fc.assert(
      fc.property(fc.array(index, { minLength: 1, maxLength: 7 }), (values) => {
        expect(quorumValue([...values])).toBe(bruteForce(values));
      }),
    );
  });

  test("votes equal brute force for all answers of up to five voters", () => {
    const answers = [true, false, undefined];
    let vectors: (boolean | undefined)[][] = [[]];
    for (let size = 1; size <= 5; size++) {
      vectors = vectors.flatMap((vector) => answers.map((answer) => [...vector, answer]));
      for (const vector of vectors) {
        const voters = vector.map((_, at) => `n${at}`);
        const votes = new Map<string, boolean>([["stranger", true]]);
        vector.forEach((answer, at) => {
          if (answer !== undefined) votes.set(`n${at}`, answer);
        });
        const yes = vector.filter((answer) => answer === true).length;
        const no = vector.filter((answer) => answer === false).length;
        const isLost = size - no <= size / 2;
        const expected = yes > size / 2 ? "won" : isLost ? "lost" : "pending";
        expect(voteResult(voters, votes)).toBe(expected);
      }
    }
  });
});
