/**
 * Who should lead next. Asked for by an operator or a leader that stops: whoever is fit, the most
 * wanted first. By itself: a voter whose operator wants it more than this leader, once it has been
 * fit for a while; otherwise an office would move at every hiccup of a preferred node.
 */
import type { LogIndex, MemberStatus, NodeId } from "task-queue-raft";
import { CAUGHT_UP_ENTRIES, PRIORITY_RETRY_MS, PRIORITY_SETTLE_MS } from "./limits.ts";

/** What the leader knows about the other voters. */
export interface Field {
  readonly now: number;
  readonly lastIndex: LogIndex;
  readonly electionTimeoutMs: number;
  readonly candidates: readonly Candidate[];
}

export interface Candidate extends MemberStatus {
  /** How much it wants to lead; `NO_OFFICE` = not at all. */
  readonly wish: number;
  /** How often it did not take over from this leader, since that took office. */
  readonly failures: number;
}

/** The wish of a node that stops, or whose disk does not answer. */
export const NO_OFFICE = 0;

/** How much a node wants to lead whose operator has given it this priority, from 0 on. */
export function wishOf(priority: number): number {
  return priority + 1;
}

/**
 * Undefined when no other voter was heard lately and wants to lead, or none of those has a log to
 * go on with.
 */
export function bestSuccessor(field: Field): NodeId | undefined {
  const able = field.candidates.filter((each) => {
    return each.wish !== NO_OFFICE && each.snapshotIndex === undefined && isHeard(each, field);
  });
  const ranked = able.sort((a, b) => {
    // Whatever kept one from taking over cannot be seen from here; it may well do so again.
    const trust = a.failures - b.failures;
    const fitness = Number(isFit(b, field)) - Number(isFit(a, field));
    return trust || fitness || b.wish - a.wish || b.match - a.match || (a.id < b.id ? -1 : 1);
  });
  return ranked[0]?.id;
}

/** Watches for a voter that is wanted more than this leader, and keeps in mind who failed. */
export class Succession {
  readonly #wishes = new Map<NodeId, number>();
  readonly #failures = new Map<NodeId, number>();
  /** Since when each that is wanted more has been fit without a break. */
  readonly #fitSince = new Map<NodeId, number>();
  #pausedUntil = Number.NEGATIVE_INFINITY;

  heard(id: NodeId, wish: number): void {
    this.#wishes.set(id, wish);
  }

  forget(id: NodeId): void {
    this.#wishes.delete(id);
    this.#failures.delete(id);
    this.#fitSince.delete(id);
  }

  /** Who has not said is taken for one that nobody gave a priority. */
  wishOf(id: NodeId): number {
    return this.#wishes.get(id) ?? wishOf(0);
  }

  knownOf(id: NodeId): Pick<Candidate, "wish" | "failures"> {
    return { wish: this.wishOf(id), failures: this.#failures.get(id) ?? 0 };
  }

  /** False: no one to wait for, whoever is fit. */
  isAnyoneAbove(own: number): boolean {
    for (const wish of this.#wishes.values()) if (wish > own) return true;
    return false;
  }

  /** A new office: everybody must prove fit again. A pause goes on, or elections would not end. */
  restart(): void {
    this.#fitSince.clear();
    this.#failures.clear();
  }

  /** To whom this leader, with a wish of `own`, should hand over now. */
  next(own: number, field: Field): NodeId | undefined {
    const fit = field.candidates.filter((each) => each.wish > own && isFit(each, field));
    for (const id of this.#fitSince.keys()) {
      if (!fit.some((each) => each.id === id)) this.#fitSince.delete(id);
    }
    for (const { id } of fit) {
      if (!this.#fitSince.has(id)) this.#fitSince.set(id, field.now);
    }
    if (field.now < this.#pausedUntil) return undefined;
    const ripe = fit.filter(({ id }) => {
      return field.now - (this.#fitSince.get(id) as number) >= PRIORITY_SETTLE_MS;
    });
    return bestSuccessor({ ...field, candidates: ripe });
  }

  /** It was to take over and did not. */
  failed(id: NodeId): void {
    this.#failures.set(id, (this.#failures.get(id) ?? 0) + 1);
  }

  /** A handover by priority did not succeed. */
  pause(now: number): void {
    this.#pausedUntil = now + PRIORITY_RETRY_MS;
  }
}

function isHeard({ lastContactMs }: Candidate, { now, electionTimeoutMs }: Field): boolean {
  return now - lastContactMs < electionTimeoutMs;
}

function isFit(candidate: Candidate, field: Field): boolean {
  if (candidate.snapshotIndex !== undefined || !isHeard(candidate, field)) return false;
  return field.lastIndex - candidate.match <= CAUGHT_UP_ENTRIES;
}
