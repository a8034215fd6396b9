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
  readonly #records: Record[];

  /** `index`: any that is below the first membership entry to come. */
  constructor(membership: Membership, index: LogIndex) {
    this.#records = [{ index, membership }];
  }

  get current(): Membership {
    return this.#records.at(-1)!.membership;
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

  isVoter(id: NodeId): boolean {
    return this.current.voters.includes(id);
  }
}
