/**
 * Which membership is in force. A membership holds from the moment its entry is appended, not from
 * when it is committed (§4.1), and when the entry is truncated the one before it holds again.
 */
import type { LogIndex, Membership, NodeId } from "./types.ts";

interface Record {
  readonly index: LogIndex;
  readonly membership: Membership;
}

export class MembershipHistory {
  /** By index. The first is committed or the one we were born with, so it never falls back. */
  #records: Record[];

  constructor(membership: Membership) {
    this.#records = [{ index: 0, membership }];
  }

  get current(): Membership {
    return this.#records.at(-1)!.membership;
  }

  /** Of the entry that brought it; 0 for one that came with our birth or with a snapshot. */
  get currentIndex(): LogIndex {
    return this.#records.at(-1)!.index;
  }

  appended(index: LogIndex, membership: Membership): void {
    this.#records.push({ index, membership });
  }

  /** The entry at `from` and all behind it are gone from the log. */
  truncated(from: LogIndex): void {
    while (this.#records.length > 1 && this.#records.at(-1)!.index >= from) this.#records.pop();
  }

  /** What is committed cannot be truncated: nothing older than it can come back. */
  committed(index: LogIndex): void {
    while (this.#records.length > 1 && this.#records[1]!.index <= index) this.#records.shift();
  }

  /** A snapshot has replaced the log: its membership is committed, and all that we know. */
  restored(membership: Membership): void {
    this.#records = [{ index: 0, membership }];
  }

  isVoter(id: NodeId): boolean {
    return this.current.voters.includes(id);
  }

  /** Was it a voter before the changes that are not committed, as far as known? */
  wasVoter(id: NodeId): boolean {
    return this.#records[0]!.membership.voters.includes(id);
  }
}

/** Voters that only one of the two has. Above one, their quorums may miss each other (§4.1). */
export function votersDifference(a: Membership, b: Membership): number {
  const gone = a.voters.filter((id) => !b.voters.includes(id));
  const come = b.voters.filter((id) => !a.voters.includes(id));
  return gone.length + come.length;
}

/** What is wrong with a membership, as a sentence; undefined when it is sound. */
export function membershipProblem({ voters, learners }: Membership): string | undefined {
  if (voters.length === 0) return "membership must name at least one voter";
  if (!isSortedSet(voters)) return "membership.voters must be sorted and without duplicates";
  if (!isSortedSet(learners)) return "membership.learners must be sorted, without duplicates";
  const both = learners.find((id) => voters.includes(id));
  return both && `membership names ${both} both as voter and as learner`;
}

function isSortedSet(ids: readonly NodeId[]): boolean {
  return ids.every((id, at) => id !== "" && (at === 0 || ids[at - 1]! < id));
}
