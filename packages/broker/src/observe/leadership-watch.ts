/**
 * Counts what a node's status shows of elections, from one look to the next. A term is never used
 * twice, so terms that pass between two looks are still counted; of several leaders between two
 * looks only the last is seen, which takes elections faster than anybody looks.
 */
import type { NodeStatus } from "../operations/broker.ts";

type Look = Pick<NodeStatus, "term" | "leader">;

export class LeadershipWatch {
  readonly #firstTerm: number;
  #term: number;
  /** The leader seen last, with its term. */
  #leader: string | undefined;
  #changes = 0;

  constructor(first: Look) {
    this.#firstTerm = first.term;
    this.#term = first.term;
    this.#leader = officeOf(first);
  }

  see(look: Look): void {
    this.#term = Math.max(this.#term, look.term);
    const leader = officeOf(look);
    if (leader === undefined || leader === this.#leader) return;
    if (this.#leader !== undefined) this.#changes++;
    this.#leader = leader;
  }

  /** Terms that began since the first look: every campaign that got as far as votes. */
  get elections(): number {
    return this.#term - this.#firstTerm;
  }

  /** Leaders that followed another one, or themselves in a later term. */
  get changes(): number {
    return this.#changes;
  }
}

function officeOf({ term, leader }: Look): string | undefined {
  return leader === undefined ? undefined : `${leader.id} ${term}`;
}
