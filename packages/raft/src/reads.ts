/**
 * Reads that wait to learn how fresh they must be (read index, §6.4). Two sides: the leader, which
 * confirms by a round of heartbeats that it still leads, and every other node, which asks it.
 *
 * A read is only ever confirmed by a round that began after it arrived: one that arrives while a
 * round is under way joins the next. Ids and rounds are never reused, so that the answer to an
 * earlier try can never be taken for the answer to a later one.
 */
import type { LogIndex, NodeId } from "./types.ts";

/** Reads that may wait at one node; the ones beyond are told to ask again. */
export const MAX_WAITING_READS = 100_000;

/** `from` undefined: a read of this very node. */
export interface Reader {
  readonly from: NodeId | undefined;
  readonly id: number;
}

interface Round {
  readonly number: number;
  /** The commit index when the round began. */
  readonly index: LogIndex;
  readonly readers: readonly Reader[];
}

/** The leader's side. */
export class LeaderReads {
  #waiting: Reader[] = [];
  /** Rounds with reads, oldest first, not yet answered by a quorum. */
  #open: Round[] = [];
  #count = 0;

  /** False: too many are waiting. */
  add(reader: Reader): boolean {
    if (this.#count >= MAX_WAITING_READS) return false;
    this.#count++;
    this.#waiting.push(reader);
    return true;
  }

  /** Should a round begin for these reads, without waiting for the next heartbeat? */
  get wantRound(): boolean {
    return this.#waiting.length > 0 && this.#open.length === 0;
  }

  /** A round of heartbeats begins; all that wait are part of it. */
  roundBegins(number: number, index: LogIndex): void {
    if (this.#waiting.length === 0) return;
    this.#open.push({ number, index, readers: this.#waiting });
    this.#waiting = [];
  }

  /** A quorum has answered the round `number`, which also confirms the ones before it. */
  confirmed(number: number, answer: (reader: Reader, index: LogIndex) => void): void {
    while (this.#open[0] !== undefined && this.#open[0].number <= number) {
      const { readers, index } = this.#open.shift()!;
      this.#count -= readers.length;
      for (const reader of readers) answer(reader, index);
    }
  }

  /** The office is lost: whoever is left will never get an answer here. */
  abandon(answer: (reader: Reader) => void): void {
    for (const round of this.#open) round.readers.forEach(answer);
    this.#waiting.forEach(answer);
    this.#open = [];
    this.#waiting = [];
    this.#count = 0;
  }
}

interface Question {
  /** The reads of one turn; they share one question under the id of the first. */
  readonly ids: readonly number[];
  /** When to stop hoping for the answer. */
  readonly deadline: number;
}

/** The side of a node that asks the leader. */
export class ForwardedReads {
  #waiting: number[] = [];
  /** By the id of the question, in the order they were asked, hence of their deadlines. */
  readonly #asked = new Map<number, Question>();
  #count = 0;

  add(id: number): boolean {
    if (this.#count >= MAX_WAITING_READS) return false;
    this.#count++;
    this.#waiting.push(id);
    return true;
  }

  /** The id to ask the leader with, on behalf of all that wait. */
  ask(deadline: number): number | undefined {
    const id = this.#waiting[0];
    if (id === undefined) return undefined;
    this.#asked.set(id, { ids: this.#waiting, deadline });
    this.#waiting = [];
    return id;
  }

  /** The reads that the answer to question `id` is for; none when it is unknown or too late. */
  answered(id: number): readonly number[] {
    const question = this.#asked.get(id);
    if (question === undefined) return [];
    this.#asked.delete(id);
    this.#count -= question.ids.length;
    return question.ids;
  }

  get nextDeadline(): number {
    for (const question of this.#asked.values()) return question.deadline;
    return Number.POSITIVE_INFINITY;
  }

  /** Takes out the reads whose question or answer was lost. */
  expired(now: number): number[] {
    const ids: number[] = [];
    for (const [id, question] of this.#asked) {
      if (question.deadline > now) break;
      ids.push(...question.ids);
      this.#asked.delete(id);
    }
    this.#count -= ids.length;
    return ids;
  }

  /** Takes out all: nobody is left to answer them. */
  abandon(): number[] {
    const ids = [...this.#asked.values()].flatMap((question) => question.ids);
    ids.push(...this.#waiting);
    this.#asked.clear();
    this.#waiting = [];
    this.#count = 0;
    return ids;
  }
}
