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
  /** Linearizable reads not yet part of a round. */
  #fresh: Read<W>[] = [];
  #askAt = 0;
  readonly #rounds = new Map<number, Read<W>[]>();
  #confirmed: Read<W>[] = [];
  #count = 0;

  /** false = too many reads are waiting. */
  add(waiter: W, linearizable: boolean, minIndex: LogIndex, now: number): boolean {
    if (this.#count >= READS_MAX) return false;
    const deadline = now + READ_DEADLINE_MS;
    const read = { waiter, deadline, index: linearizable ? undefined : minIndex, minIndex };
    if (linearizable) this.#fresh.push(read);
    else this.#confirmed.push(read);
    this.#count++;
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
        this.#fresh.push(...round);
        this.#askAt = now + READ_RETRY_MS;
        continue;
      }
      for (const read of round) {
        read.index = Math.max(index, read.minIndex);
        this.#confirmed.push(read);
      }
    }
  }

  /** Hands out the reads that `applied` satisfies, and those whose deadline has passed. */
  serve(
    applied: LogIndex,
    now: number,
    answer: (waiter: W, applied: LogIndex | undefined) => void,
  ): void {
    if (this.#count === 0) return;
    const settle = (read: Read<W>): boolean => {
      const served = read.index !== undefined && read.index <= applied;
      if (!served && read.deadline > now) return true;
      this.#count--;
      answer(read.waiter, served ? applied : undefined);
      return false;
    };
    this.#confirmed = this.#confirmed.filter(settle);
    this.#fresh = this.#fresh.filter(settle);
    for (const [id, round] of this.#rounds) {
      const waiting = round.filter(settle);
      if (waiting.length === 0) this.#rounds.delete(id);
      else this.#rounds.set(id, waiting);
    }
  }

  /** When `startRound` or `serve` has something to do by time alone. */
  nextDeadline(): number {
    if (this.#count === 0) return Number.POSITIVE_INFINITY;
    let next = this.#fresh.length > 0 ? this.#askAt : Number.POSITIVE_INFINITY;
    for (const read of this.#fresh) next = Math.min(next, read.deadline);
    for (const read of this.#confirmed) next = Math.min(next, read.deadline);
    for (const round of this.#rounds.values()) {
      for (const read of round) next = Math.min(next, read.deadline);
    }
    return next;
  }
}
