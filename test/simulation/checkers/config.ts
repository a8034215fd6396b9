/**
 * Config safety: at most one change of members is uncommitted in a leader's log, a leader makes one
 * only after it has committed an entry of its own term, and every two consecutive committed
 * memberships differ by one voter at the most, so that all their quorums overlap. And who was
 * removed stays removed: it never leads again.
 */
import type { Entry, EntryId, LogIndex, NodeId, PersistBatch, Term } from "task-queue-raft";
import { decodeRoster, type Roster } from "../../../packages/broker/src/replica/index.ts";
import type { Situations } from "../situations.ts";
import { demand } from "../violation.ts";
import type { VersionChecker } from "./versions.ts";

interface Appended {
  readonly index: LogIndex;
  readonly roster: Roster;
}

export class ConfigChecker {
  readonly #situations: Situations;
  readonly #versions: VersionChecker;
  /** By node: the roster in force when its log begins, and those of the entries in it. */
  readonly #logs = new Map<NodeId, Appended[]>();
  readonly #committed: Appended[];
  /** The entry that removed each incarnation. */
  readonly #removedBy = new Map<string, EntryId>();

  constructor(founders: Roster, situations: Situations, versions: VersionChecker) {
    this.#committed = [{ index: 0, roster: founders }];
    this.#situations = situations;
    this.#versions = versions;
  }

  /** The newest that is committed. */
  get roster(): Roster {
    return this.#committed.at(-1)!.roster;
  }

  /** No log has a change that is not committed; those of dead nodes count as well. */
  get isSettled(): boolean {
    const committed = this.#committed.at(-1)!.index;
    return [...this.#logs.values()].every(([, ...appended]) => {
      return appended.every(({ index }) => index <= committed);
    });
  }

  /** The committed one in force at an index. */
  at(index: LogIndex): Roster {
    return this.#committed.findLast((each) => each.index <= index)!.roster;
  }

  booting(id: NodeId, membership: Uint8Array, applied: LogIndex, tail: readonly Entry[]): void {
    const log = [{ index: applied, roster: decodeRoster(membership) }];
    this.#logs.set(id, log);
    append(log, tail);
  }

  /** What is about to be written; `leadsIn`: the term in which the node leads. */
  handed(
    id: NodeId,
    { truncateFrom, entries }: PersistBatch,
    commit: LogIndex,
    commitTerm: Term | undefined,
    leadsIn: Term | undefined,
  ): void {
    const log = this.#logs.get(id)!;
    const before = log.length;
    if (truncateFrom !== undefined) {
      const kept = log.filter(({ index }, at) => at === 0 || index < truncateFrom);
      if (kept.length < log.length) this.#situations.hit("uncommitted change of members cut off");
      log.splice(0, log.length, ...kept);
    }
    append(log, entries);
    if (leadsIn === undefined || log.length === before || truncateFrom !== undefined) return;
    const pending = log.filter(({ index }, at) => at > 0 && index > commit).length;
    demand(pending <= 1, "config safety", () => {
      return `${id} has ${pending} uncommitted changes of members in its log`;
    });
    demand(commitTerm === leadsIn, "config safety", () => {
      return `${id} changes the members in term ${leadsIn}, committed is one of ${commitTerm}`;
    });
  }

  /** The log begins anew behind a snapshot. */
  installed(id: NodeId, index: LogIndex, membership: Uint8Array): void {
    const log = this.#logs.get(id)!;
    if (log.length > 1) this.#situations.hit("snapshot installed over changes of members");
    if (!this.isSettled) this.#situations.hit("snapshot installed while a change is uncommitted");
    this.#logs.set(id, [{ index, roster: decodeRoster(membership) }]);
  }

  /** Rosters that may have decided on an entry that this node sees committed now. */
  inForce(id: NodeId): readonly Roster[] {
    const log = this.#logs.get(id)!;
    return log.slice(-2).map(({ roster }) => roster);
  }

  /** First time that anybody sees this entry committed. */
  committed(entry: Entry): void {
    if (entry.kind !== "membership") return;
    const before = this.roster;
    const roster = decodeRoster(entry.data);
    this.#versions.committed(before, roster);
    const ids = new Set([...votersOf(before), ...votersOf(roster)]);
    const changed = [...ids].filter((id) => {
      return votersOf(before).has(id) !== votersOf(roster).has(id);
    });
    demand(changed.length <= 1, "config safety", () => {
      return `the change at ${entry.index} makes or unmakes the voters ${changed.join(" ")}`;
    });
    for (const { incarnation } of before.members) {
      const stays = roster.members.some((member) => member.incarnation === incarnation);
      const { term, index } = entry;
      if (!stays) this.#removedBy.set(incarnation, { term, index });
    }
    this.#committed.push({ index: entry.index, roster });
    this.#noteSize(votersOf(before).size, votersOf(roster).size);
  }

  /**
   * `commit`: of the node that was elected. Who has the entry that removed it but does not know it
   * committed must stand: it may be the only one that has it (§4.2.2). The entry commits with the
   * first of its office, which ends with that; it counts only the votes of those who stay.
   */
  elected(incarnation: string, term: Term, commit: LogIndex): void {
    const removed = this.#removedBy.get(incarnation);
    const mayNotKnow = removed === undefined || term <= removed.term || commit < removed.index;
    demand(mayNotKnow, "removed stays removed", () => {
      return `${incarnation} leads in term ${term}, it was removed in term ${removed?.term}`;
    });
  }

  isRemoved(incarnation: string): boolean {
    return this.#removedBy.has(incarnation);
  }

  #noteSize(before: number, after: number): void {
    if (before === 1 && after === 2) this.#situations.hit("one voter became two");
    if (before === 2 && after === 1) this.#situations.hit("two voters became one");
    if (before === 2 && after === 3) this.#situations.hit("two voters became three");
    if (before === 4 && after === 5) this.#situations.hit("four voters became five");
    if (before === 3 && after === 2) this.#situations.hit("three voters became two");
    if (before === 5 && after === 4) this.#situations.hit("five voters became four");
  }
}

function append(log: Appended[], entries: readonly Entry[]): void {
  for (const { kind, index, data } of entries) {
    if (kind === "membership") log.push({ index, roster: decodeRoster(data) });
  }
}

export function votersOf({ members }: Roster): ReadonlySet<string> {
  return new Set(members.filter(({ voter }) => voter).map(({ incarnation }) => incarnation));
}
