/**
 * Hands the office of this leader to another voter (§3.10): because an operator says so, because
 * this node stops or its disk hangs, or because another one is wanted more. One at a time. Writes
 * are held meanwhile, for `TRANSFER_MS_MAX` at most; then consensus gives up, and this node goes on
 * leading.
 */
import type { NodeId, Raft, TransferRefusal } from "task-queue-raft";
import { unreachable } from "../queue/index.ts";
import type { Answered } from "./changes.ts";
import { DRAIN_RETRY_MS, HANDOVER_DEADLINE_MS } from "./limits.ts";
import type { ClusterMember } from "./members.ts";
import { noLeader } from "./no-leader.ts";
import type { ChangeOutcome } from "./output.ts";
import { bestSuccessor, type Field, NO_OFFICE, Succession, wishOf } from "./succession.ts";

interface Open<C> {
  readonly to: NodeId;
  /** Who waits for it; nobody when this node decided it alone. */
  readonly waiters: Waiting<C>[];
  readonly byPriority: boolean;
  /** Once this node leads no more: who leads must be known by then. */
  readonly deadline: number;
}

interface Waiting<C> {
  readonly waiter: C;
  /** Wants this very successor, and no other. */
  readonly isNamed: boolean;
}

type Refused = Extract<ChangeOutcome, { kind: "refused" }>;

export class Handover<C> {
  readonly #raft: Raft;
  readonly #members: () => readonly ClusterMember[];
  readonly #electionTimeoutMs: number;
  /** This node's own, while it wants an office at all. */
  readonly #wish: number;
  readonly #succession = new Succession();
  #open: Open<C> | undefined;
  #answered: Answered<C>[] = [];
  #isDraining = false;
  #isStalled = false;
  /** While it wants no office: not before. */
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(
    raft: Raft,
    members: () => readonly ClusterMember[],
    electionTimeoutMs: number,
    priority: number,
  ) {
    this.#raft = raft;
    this.#members = members;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#wish = wishOf(priority);
  }

  /** How much this node wants to lead, as its beacons tell the others. */
  get wish(): number {
    return this.#isDraining || this.#isStalled ? NO_OFFICE : this.#wish;
  }

  takeAnswers(): readonly Answered<C>[] {
    const answered = this.#answered;
    if (answered.length > 0) this.#answered = [];
    return answered;
  }

  heard(peer: NodeId, wish: number): void {
    this.#succession.heard(peer, wish);
  }

  forget(peer: NodeId): void {
    this.#succession.forget(peer);
  }

  drain(): void {
    this.#isDraining = true;
    this.#wishChanged();
  }

  /** While the disk of this node does not answer, it wants no office. */
  stalled(isStalled: boolean): void {
    this.#isStalled = isStalled;
    this.#wishChanged();
  }

  /** As leader: somebody is heard who would take the office. */
  hasSuccessor(now: number): boolean {
    return bestSuccessor(this.#field(now)) !== undefined;
  }

  leadershipChanged(): void {
    this.#succession.restart();
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /** `to` undefined: whoever is fittest. */
  start(to: NodeId | undefined, waiter: C, now: number): void {
    const outcome = this.#start(to, waiter, now);
    if (outcome !== undefined) this.#answered.push({ waiter, outcome });
  }

  run(now: number): void {
    this.#watch(now);
    if (this.#open !== undefined || this.#raft.role !== "leader") return;
    if (this.wish === NO_OFFICE) {
      if (now < this.#retryAt) return;
      // If nobody can take it now, somebody may in a moment.
      this.#retryAt = now + DRAIN_RETRY_MS;
      const to = bestSuccessor(this.#field(now));
      if (to !== undefined) this.#begin(to, [], false, now);
    } else if (this.#succession.isAnyoneAbove(this.#wish)) {
      const to = this.#succession.next(this.#wish, this.#field(now));
      if (to !== undefined) this.#begin(to, [], true, now);
    }
  }

  nextDeadline(): number {
    // As long as this node leads, the deadline of consensus ends it.
    const leads = this.#raft.role === "leader";
    if (this.#open !== undefined) return leads ? Number.POSITIVE_INFINITY : this.#open.deadline;
    return this.wish === NO_OFFICE && leads ? this.#retryAt : Number.POSITIVE_INFINITY;
  }

  #wishChanged(): void {
    this.#raft.setCampaigning(this.wish !== NO_OFFICE);
    this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /** undefined: the answer comes later. */
  #start(to: NodeId | undefined, waiter: C, now: number): ChangeOutcome | undefined {
    if (this.#raft.role !== "leader") return noLeader(this.#raft, this.#members());
    const open = this.#open;
    if (open !== undefined) {
      if (to !== undefined && to !== open.to) {
        return conflict(`the office is being handed over to ${open.to} already; wait for that`);
      }
      open.waiters.push({ waiter, isNamed: to !== undefined });
      return undefined;
    }
    if (to !== undefined && this.#succession.wishOf(to) === NO_OFFICE) {
      const why = "it is stopping, or its disk does not answer";
      return conflict(`${to} takes no office: ${why}; name another voter, or none`);
    }
    const target = to ?? bestSuccessor(this.#field(now));
    if (target === undefined) {
      return conflict("no other voter has been heard lately; bring one back or add one first");
    }
    return this.#begin(target, [{ waiter, isNamed: to !== undefined }], false, now);
  }

  #begin(
    to: NodeId,
    waiters: Waiting<C>[],
    byPriority: boolean,
    now: number,
  ): ChangeOutcome | undefined {
    const result = this.#raft.transferLeadership(to);
    if (result !== "started") return this.#refused(to, result);
    this.#open = { to, waiters, byPriority, deadline: now + HANDOVER_DEADLINE_MS };
    return undefined;
  }

  #refused(to: NodeId, refusal: TransferRefusal): ChangeOutcome {
    switch (refusal) {
      case "isLeader":
        return { kind: "done", index: this.#raft.commit };
      case "notVoter":
        if (!this.#members().some(({ id }) => id === to)) {
          return { kind: "refused", code: "not_found", message: `${to} is no member` };
        }
        return conflict(`${to} is a learner and cannot lead; promote it first`);
      case "pending":
        return conflict("a change of members is not committed yet; try again in a moment");
      case "notLeader":
        return noLeader(this.#raft, this.#members());
      default:
        return unreachable(refusal);
    }
  }

  /** Has the one under way come to an end? */
  #watch(now: number): void {
    const { role, leader, transferee, id, commit } = this.#raft;
    const open = this.#open;
    if (open === undefined) return;
    if (role === "leader") {
      if (transferee !== undefined) return;
      // Writes that were held have their turn before the next try.
      this.#retryAt = now + DRAIN_RETRY_MS;
      this.#failed(open, now);
      const failure = `${open.to} did not take over in time, and ${id} still leads`;
      const outcome = conflict(
        `${failure}; see that ${open.to} is up and caught up, then try again`,
      );
      this.#close(() => outcome);
    } else if (leader !== undefined) {
      if (leader !== open.to) this.#failed(open, now);
      const done = { kind: "done", index: commit } as const;
      const other = conflict(`${leader} leads now, not ${open.to}`);
      this.#close(({ isNamed }) => (isNamed && leader !== open.to ? other : done));
    } else if (open.deadline <= now) {
      this.#failed(open, now);
      const message = "this node leads no more, and no other one has been heard to lead yet";
      this.#close(() => ({ kind: "unknown", message }));
    }
  }

  #failed({ to, byPriority }: Open<C>, now: number): void {
    this.#succession.failed(to);
    if (byPriority) this.#succession.pause(now);
  }

  #close(outcomeOf: (waiting: Waiting<C>) => ChangeOutcome): void {
    for (const waiting of this.#open?.waiters ?? []) {
      this.#answered.push({ waiter: waiting.waiter, outcome: outcomeOf(waiting) });
    }
    this.#open = undefined;
  }

  #field(now: number): Field {
    const raft = this.#raft;
    const { voters } = raft.membership;
    const others = raft.status().filter(({ id }) => id !== raft.id && voters.includes(id));
    const candidates = others.map((status) => {
      return { ...status, ...this.#succession.knownOf(status.id) };
    });
    const { lastIndex } = raft;
    return { now, lastIndex, electionTimeoutMs: this.#electionTimeoutMs, candidates };
  }
}

function conflict(message: string): Refused {
  return { kind: "refused", code: "state_conflict", message };
}
