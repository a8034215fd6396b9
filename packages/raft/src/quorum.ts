/**
 * Quorum arithmetic, on plain numbers and nothing else. Sorting is numeric and by hand: the sort
 * of the language compares strings, for which 9 comes after 10.
 */
import type { NodeId } from "./types.ts";

export function quorumSize(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * The highest value that a quorum has reached: with one value per voter, at least `quorumSize` of
 * them are this or more. Sorts `values` in place, to spare the caller an array per message.
 */
export function quorumValue(values: number[]): number {
  // Insertion sort: there are three to seven of them, and mostly in the same order as last time.
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!;
    let at = i;
    while (at > 0 && values[at - 1]! > value) {
      values[at] = values[at - 1]!;
      at--;
    }
    values[at] = value;
  }
  return values.length === 0 ? 0 : values[values.length - quorumSize(values.length)]!;
}

export type VoteResult = "won" | "lost" | "pending";

/** What `votes` (true = granted) amount to among `voters`; answers of others do not count. */
export function voteResult(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  let granted = 0;
  let rejected = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted++;
    else if (vote === false) rejected++;
  }
  const needed = quorumSize(voters.length);
  if (granted >= needed) return "won";
  return voters.length - rejected < needed ? "lost" : "pending";
}
