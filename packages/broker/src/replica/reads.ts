/**
 * Reads that wait until this node may serve them: for a leader's word on how far the log is
 * committed (§6.4 of the Raft dissertation), then for apply to get there. All reads that arrive
 * before a round starts share it; a read never joins a round that started before it.
 */

import type { LogIndex, ReadState } from "task-queue-raft";
import { READ_DEADLINE_MS, READ_RETRY_MS, READS_MAX } from "./limits.ts";

interface Read<W> {
  readonly waiter: W;
  readonly deadline: number;
  /** Index it must see; undefined until a leader has confirmed one. */
  index: LogIndex | undefined;
  /** What the caller has seen already, from any node. */
  readonly minIndex: LogIndex;
}

export class Reads<W> {
  /** All that wait, oldest first: their deadlines are in the same order. */
  readonly #open = new Set<Read<W>>();
  /** Linearizable reads not yet part of a round. */
  #fresh: Read<W>[] = [];
  #askAt = 0;
  readonly #rounds = new Map<number, readonly Read<W>[]>();
  /** They know what they must see. */
  #confirmed: Read<W>[] = [];
  /** The lowest index that any of those waits for. */
  #lowest = Number.POSITIVE_INFINITY;

  /** false = too many reads are waiting. */
  add(waiter: W, linearizable: boolean, minIndex: LogIndex, now: number): boolean {
    if (this.#open.size >= READS_MAX) return false;
    const deadline = now + READ_DEADLINE_MS;
    const read: Read<W> = { waiter, deadline, index: undefined, minIndex };
    this.#open.add(read);
    if (linearizable) this.#fresh.push(read);
    else this.#confirm(read, minIndex);
    return true;
  }

  /** Starts a round for the reads that wait for one; `ask` is `raft.requestRead`. */
  startRound(now: number, ask: () => number): void {
    if (this.#fresh.length === 0 || now < this.#askAt) return;
    const round = this.#fresh;
    this.#fresh = [];
    this.#rounds.set(ask(), round);
  }

  confirmed(states: readonly ReadState[], now: number): void {
    for (const { id, index } of states) {
      const round = this.#rounds.get(id);
      if (round === undefined) continue;
      this.#rounds.delete(id);
      if (index === undefined) {
        this.#fresh = this.#fresh.concat(round);
        this.#askAt = now + READ_RETRY_MS;
        continue;
      }
      for (const read of round) this.#confirm(read, Math.max(index, read.minIndex));
    }
  }

  /** Hands out the reads that `applied` satisfies, and those whose deadline has passed. */
  serve(
    applied: LogIndex,
    now: number,
    answer: (waiter: W, applied: LogIndex | undefined) => void,
  ): void {
    if (this.#lowest <= applied) {
      const confirmed = this.#confirmed;
      this.#confirmed = [];
      this.#lowest = Number.POSITIVE_INFINITY;
      for (const read of confirmed) {
        const index = read.index as LogIndex;
        if (index > applied) this.#confirm(read, index);
        else if (this.#open.delete(read)) answer(read.waiter, applied);
      }
    }
    if (this.#firstDeadline() <= now) this.#expire(now, answer);
  }

  /** When `startRound` or `serve` has something to do by time alone. */
  nextDeadline(): number {
    const askAt = this.#fresh.length > 0 ? this.#askAt : Number.POSITIVE_INFINITY;
    return Math.min(askAt, this.#firstDeadline());
  }

  #confirm(read: Read<W>, index: LogIndex): void {
    read.index = index;
    this.#confirmed.push(read);
    this.#lowest = Math.min(this.#lowest, index);
  }

  #firstDeadline(): number {
    for (const { deadline } of this.#open) return deadline;
    return Number.POSITIVE_INFINITY;
  }

  #expire(now: number, answer: (waiter: W, applied: undefined) => void): void {
    for (const read of this.#open) {
      if (read.deadline > now) break;
      this.#open.delete(read);
      answer(read.waiter, undefined);
    }
    const isOpen = (read: Read<W>): boolean => this.#open.has(read);
    this.#fresh = this.#fresh.filter(isOpen);
    this.#confirmed = this.#confirmed.filter(isOpen);
    for (const [id, round] of this.#rounds) {
      const waiting = round.filter(isOpen);
      if (waiting.length === 0) this.#rounds.delete(id);
      else this.#rounds.set(id, waiting);
    }
  }
}
