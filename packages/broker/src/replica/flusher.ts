/**
 * When state may go to disk. A flush writes the state at the applied index; it may start only when
 * the log up to there is durable on this node, for otherwise a crash would leave state that is
 * newer than the log. Under steady load a slow disk could put that off for ever, so an overdue
 * flush holds back apply until the disk has caught up.
 */
import type { EntryId, LogIndex } from "task-queue-raft";
import type { QueueMachine } from "../queue/index.ts";
import { FLUSH_INTERVAL_MS, FLUSH_OVERDUE_MS } from "./limits.ts";
import type { Outputs } from "./output.ts";

export class Flusher {
  readonly #queue: QueueMachine;
  /** Members in force at the applied index, encoded. */
  #membership: Uint8Array;
  /** Only committed entries: an uncommitted one may be cut off again, rightly. */
  #applied: EntryId;
  #dirtySince: number | undefined;
  #flushing = false;

  constructor(queue: QueueMachine, applied: EntryId, membership: Uint8Array) {
    this.#queue = queue;
    this.#applied = applied;
    this.#membership = membership;
  }

  mayApply(index: LogIndex, durable: LogIndex, now: number): boolean {
    if (index <= durable || this.#dirtySince === undefined) return true;
    return now < this.#dirtySince + FLUSH_OVERDUE_MS;
  }

  /** The newest applied entry, and the membership if that entry changed it. */
  applied(id: EntryId, membership: Uint8Array | undefined, now: number): void {
    this.#applied = { term: id.term, index: id.index };
    if (membership !== undefined) this.#membership = membership;
    if (this.#dirtySince === undefined && this.#queue.dirtyCount > 0) this.#dirtySince = now;
  }

  start(durable: LogIndex, now: number): Outputs<unknown, unknown>["flush"] {
    if (now < this.nextDeadline(durable)) return undefined;
    this.#flushing = true;
    this.#dirtySince = undefined;
    const flush = this.#queue.beginFlush();
    const { index } = this.#applied;
    const mark = { applied: index, logDurable: this.#applied, membership: this.#membership };
    return { flush, mark };
  }

  flushed(): void {
    this.#flushing = false;
  }

  /** True when apply is held back, or soon will be, until the log on disk has caught up. */
  isOverdue(durable: LogIndex, now: number): boolean {
    if (this.#flushing || this.#dirtySince === undefined) return false;
    return durable < this.#applied.index && now >= this.#dirtySince + FLUSH_OVERDUE_MS;
  }

  /** Infinity while something else has to happen first. */
  nextDeadline(durable: LogIndex): number {
    if (this.#flushing || this.#dirtySince === undefined) return Number.POSITIVE_INFINITY;
    if (durable < this.#applied.index) return Number.POSITIVE_INFINITY;
    return this.#dirtySince + FLUSH_INTERVAL_MS;
  }
}
