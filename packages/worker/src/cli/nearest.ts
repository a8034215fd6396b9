/** The nearest of some known words to one that was mistyped, for a hint. */

/** More differences than this are another word, not a slip. */
const DISTANCE_MAX = 3;
/** This much of a word's beginning is enough to know it by, if only one begins so. */
const BEGINNING_MIN = 3;

export function nearest(word: string, known: readonly string[]): string | undefined {
  const begun = known.filter((candidate) => candidate.startsWith(word));
  if (word.length >= BEGINNING_MIN && begun.length === 1) return begun[0];
  let best: string | undefined;
  let bestDistance = Math.min(DISTANCE_MAX, Math.ceil(word.length / 2)) + 1;
  for (const candidate of known) {
    const each = distance(word, candidate);
    if (each >= bestDistance) continue;
    best = candidate;
    bestDistance = each;
  }
  return best;
}

/** Insertions, deletions and substitutions between the two (Levenshtein). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
