/**
 * Changes of members that somebody waits for: one at a time, in the order they came. Each is judged
 * when its turn comes, by what is in force then, and waits while consensus is not ready for it.
 * Once in the log it is done when that entry is applied here, and not before.
 */
import type { Entry, EntryId, LogIndex, MembershipRefusal } from "task-queue-raft";
import { unreachable } from "../queue/index.ts";
import type { Verdict } from "./change-rules.ts";
import { CHANGES_WAITING_MAX, REQUEST_DEADLINE_MS } from "./limits.ts";
import type { ChangeOutcome, MemberChange } from "./output.ts";

interface Waiting<C> {
  readonly change: MemberChange;
  readonly waiter: C;
  readonly deadline: number;
}

interface Proposed<C> {
  readonly id: EntryId;
  readonly waiter: C;
  readonly deadline: number;
}

export interface Answered<C> {
  readonly waiter: C;
  readonly outcome: ChangeOutcome;
}

/** What the leader can say and do about a change whose turn has come. */
export interface Chair {
  judge(change: MemberChange): Verdict;
  propose(verdict: Verdict & { readonly kind: "propose" }): EntryId | MembershipRefusal;
  /** The entry that brought what is in force. */
  readonly index: LogIndex;
  /** Why nothing can be proposed now; undefined: it may be tried. */
  readonly obstacle: MembershipRefusal | undefined;
}

const NO_OFFICE = "this node has just lost the lead, nothing was done; ask the new leader";
const NOT_IN_TIME = "the change is in the log and was not committed in time";
const SNAPSHOT_CAME = "a snapshot has replaced the log before the change was seen to be committed";

export class Changes<C> {
  #waiting: Waiting<C>[] = [];
  #proposed: Proposed<C>[] = [];
  #answered: Answered<C>[] = [];
  /** Why the first one in line still waits. */
  #obstacle: MembershipRefusal = "notReady";

  add(change: MemberChange, waiter: C, now: number): void {
    if (this.#waiting.length >= CHANGES_WAITING_MAX) {
      this.#refuse(waiter, "overloaded", "too many changes of members wait already; try again");
      return;
    }
    this.#waiting.push({ change, waiter, deadline: now + REQUEST_DEADLINE_MS });
  }

  answer(waiter: C, outcome: ChangeOutcome): void {
    this.#answered.push({ waiter, outcome });
  }

  take(): readonly Answered<C>[] {
    const answered = this.#answered;
    if (answered.length > 0) this.#answered = [];
    return answered;
  }

  /** On the leader: judges those whose turn has come, up to the first that has to be waited for. */
  run(chair: Chair): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const result = chair.obstacle ?? this.#decide(next, chair);
      if (typeof result === "string") {
        this.#obstacle = result;
        return;
      }
      this.#waiting.shift();
      if (result === undefined) continue;
      this.#proposed.push({ id: result, waiter: next.waiter, deadline: next.deadline });
      return;
    }
  }

  /** Any entry was applied here. */
  applied({ term, index }: Entry): void {
    if (this.#proposed.length === 0) return;
    this.#proposed = this.#proposed.filter(({ id, waiter }) => {
      if (id.index !== index) return true;
      if (id.term === term) this.answer(waiter, { kind: "done", index });
      else this.#refuse(waiter, "no_leader", "another leader's entry took its place; ask it");
      return false;
    });
  }

  /** What this node proposed up to `index` may be part of a snapshot, or not. */
  installed(index: LogIndex): void {
    this.#proposed = this.#proposed.filter(({ id, waiter }) => {
      if (id.index > index) return true;
      this.#unknown(waiter, SNAPSHOT_CAME);
      return false;
    });
  }

  /** What is in the log may still be committed by another leader; the rest certainly not. */
  officeLost(): void {
    for (const { waiter } of this.#waiting) this.#refuse(waiter, "no_leader", NO_OFFICE);
    this.#waiting = [];
  }

  expire(now: number): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].deadline <= now) {
      const { waiter } = this.#waiting.shift() as Waiting<C>;
      this.#refuse(waiter, "state_conflict", `${describe(this.#obstacle)}; try again`);
    }
    while (this.#proposed[0] !== undefined && this.#proposed[0].deadline <= now) {
      this.#unknown((this.#proposed.shift() as Proposed<C>).waiter, NOT_IN_TIME);
    }
  }

  nextDeadline(): number {
    const waiting = this.#waiting[0]?.deadline ?? Number.POSITIVE_INFINITY;
    return Math.min(waiting, this.#proposed[0]?.deadline ?? Number.POSITIVE_INFINITY);
  }

  /** undefined: it is answered, without an entry. */
  #decide({ change, waiter }: Waiting<C>, chair: Chair): EntryId | MembershipRefusal | undefined {
    const verdict = chair.judge(change);
    if (verdict.kind === "propose") return chair.propose(verdict);
    if (verdict.kind === "refused") this.answer(waiter, verdict);
    else this.answer(waiter, { kind: "done", index: chair.index });
    return undefined;
  }

  #refuse(
    waiter: C,
    code: Extract<ChangeOutcome, { kind: "refused" }>["code"],
    message: string,
  ): void {
    this.answer(waiter, { kind: "refused", code, message });
  }

  #unknown(waiter: C, why: string): void {
    this.answer(waiter, { kind: "unknown", message: `${why}; list the members to see if it is` });
  }
}

function describe(obstacle: MembershipRefusal): string {
  switch (obstacle) {
    case "pending":
      return "an earlier change of members is not committed yet";
    case "transferring":
      return "the office is being handed over to another node";
    case "overloaded":
      return "too much waits to be committed";
    case "notReady":
    case "notLeader":
      return "this node has only just begun to lead";
    case "tooMuch":
      return "it would change more than one voter";
    default:
      return unreachable(obstacle);
  }
}
