/**
 * The rosters that this node knows: the one in force at its applied index, and those of entries
 * behind it, which consensus goes by from the moment they are in the log (§4.1). The bus must reach
 * the members of all of them: a new one gets its first entries long before its entry is applied,
 * and one that is removed still has to hear, for a moment, that its removal is committed.
 */
import type { Entry, LogIndex, NodeId, PersistBatch } from "task-queue-raft";
import { REMOVED_REACHED_MS } from "./limits.ts";
import { type ClusterMember, decodeRoster, type Roster, rosterOf } from "./members.ts";
import { clusterVersionOf, refuseTooNew, SUPPORTED, type VersionRange } from "./versions.ts";

interface Leaving {
  readonly member: ClusterMember;
  readonly until: number;
}

interface Appended {
  readonly index: LogIndex;
  readonly roster: Roster;
}

export class Rosters {
  #applied: Appended;
  /** Not applied yet, in the order of the log. */
  #appended: Appended[] = [];
  /** Removed a moment ago, the oldest first. */
  #leaving: Leaving[] = [];
  /** What the bus was told last, as text; empty: nothing yet. */
  #announced = "";
  #isDirty = true;
  readonly #reachedMs: number;
  readonly #supports: VersionRange;

  /**
   * `tail`: the log behind the applied index. This and whatever else takes in a roster throws
   * `TooNew` when that one is beyond what `supports` allows.
   */
  constructor(
    applied: Roster,
    index: LogIndex,
    tail: readonly Entry[],
    electionTimeoutMs: number,
    supports: VersionRange = SUPPORTED,
  ) {
    refuseTooNew(applied, supports);
    this.#supports = supports;
    this.#reachedMs = Math.max(REMOVED_REACHED_MS, 2 * electionTimeoutMs);
    this.#applied = { index, roster: applied };
    this.#append(tail);
  }

  /** In force at the applied index. */
  get applied(): Roster {
    return this.#applied.roster;
  }

  /** Of the last membership entry in the log, committed or not. */
  get newest(): Roster {
    return (this.#appended.at(-1) ?? this.#applied).roster;
  }

  /** The entry that brought `applied`; or that up to which the state had it at the start. */
  get appliedIndex(): LogIndex {
    return this.#applied.index;
  }

  /** True while a change is in the log that is not applied here. */
  get isChanging(): boolean {
    return this.#appended.length > 0;
  }

  /** Of the newest record under this name; empty when there is none. */
  incarnationOf(id: NodeId): string {
    const isNamed = (member: ClusterMember): boolean => member.id === id;
    for (let at = this.#appended.length - 1; at >= 0; at--) {
      const member = this.#appended[at]?.roster.members.find(isNamed);
      if (member !== undefined) return member.incarnation;
    }
    const member =
      this.#applied.roster.members.find(isNamed) ??
      this.#leaving.findLast((each) => isNamed(each.member))?.member;
    return member?.incarnation ?? "";
  }

  /** What is about to be written to the log. */
  persisted({ restore, truncateFrom, entries }: PersistBatch): void {
    if (restore !== undefined) this.#cut(0);
    else if (truncateFrom !== undefined) this.#cut(truncateFrom);
    this.#append(entries);
  }

  /** This membership entry was applied. */
  apply(index: LogIndex, roster: Roster, now: number): void {
    refuseTooNew(roster, this.#supports);
    const until = now + this.#reachedMs;
    for (const member of this.#applied.roster.members) {
      if (!roster.members.some(({ id }) => id === member.id)) this.#leaving.push({ member, until });
    }
    this.#applied = { index, roster };
    this.#appended = this.#appended.filter((each) => each.index > index);
    this.#isDirty = true;
  }

  /** A snapshot has brought this one, and the log starts anew behind it. */
  install(index: LogIndex, roster: Roster, now: number): void {
    this.#appended = [];
    this.apply(index, roster, now);
  }

  /** Those removed long enough ago need not be reached any more. */
  expire(now: number): void {
    while (this.#leaving[0] !== undefined && this.#leaving[0].until <= now) {
      this.#leaving.shift();
      this.#isDirty = true;
    }
  }

  nextDeadline(): number {
    return this.#leaving[0]?.until ?? Number.POSITIVE_INFINITY;
  }

  /** Whom the bus must reach; undefined: as it was told last. */
  takeChange(): Roster | undefined {
    if (!this.#isDirty) return undefined;
    this.#isDirty = false;
    const roster = this.#union();
    const text = JSON.stringify(roster);
    if (text === this.#announced) return undefined;
    this.#announced = text;
    return roster;
  }

  #cut(from: LogIndex): void {
    const kept = this.#appended.filter(({ index }) => index < from);
    this.#isDirty ||= kept.length < this.#appended.length;
    this.#appended = kept;
  }

  #append(entries: readonly Entry[]): void {
    for (const { kind, index, data } of entries) {
      if (kind !== "membership" || index <= this.#applied.index) continue;
      this.#appended.push({ index, roster: decodeRoster(data, this.#supports) });
      this.#isDirty = true;
    }
  }

  /** Of who stands in several of them the newest record counts. */
  #union(): Roster {
    const members = new Map(this.#leaving.map(({ member }) => [member.id, member]));
    for (const { roster } of [this.#applied, ...this.#appended]) {
      for (const member of roster.members) members.set(member.id, member);
    }
    const sorted = [...members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return rosterOf(this.newest.revision, sorted, clusterVersionOf(this.newest));
  }
}
