/**
 * When state may go to disk. A flush writes the state at the applied index; it may start only when
 * the log up to there is durable on this node, for otherwise a crash would leave state that is
 * newer than the log. Under steady load a slow disk could put that off for ever, so an overdue
 * flush holds back apply until the disk has caught up.
 */
import type { EntryId, LogIndex } from "task-queue-raft";
import type { QueueMachine } from "../queue/index.ts";
import { FLUSH_ENTRIES_MAX, FLUSH_INTERVAL_MS, FLUSH_OVERDUE_MS } from "./limits.ts";
import type { Outputs } from "./output.ts";

export class Flusher {
  readonly #queue: QueueMachine;
  /** Members in force at the applied index, encoded. */
  #membership: Uint8Array;
  /** Only committed entries: an uncommitted one may be cut off again, rightly. */
  #applied: EntryId;
  #dirtySince: number | undefined;
  /** What the flush under way will vouch for. */
  #flushing: LogIndex | undefined;
  /** What the last complete one vouches for. */
  #flushed: LogIndex;

  constructor(queue: QueueMachine, applied: EntryId, membership: Uint8Array) {
    this.#queue = queue;
    this.#applied = applied;
    this.#flushed = applied.index;
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
    const news = membership !== undefined || this.#queue.dirtyCount > 0;
    if (news || id.index - (this.#flushing ?? this.#flushed) >= FLUSH_ENTRIES_MAX) {
      this.#dirtySince ??= now;
    }
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined;
  }

  /** State up to here is on disk. */
  get flushedIndex(): LogIndex {
    return this.#flushed;
  }

  start(durable: LogIndex, now: number): Outputs<unknown, unknown>["flush"] {
    if (now < this.nextDeadline(durable)) return undefined;
    const { index } = this.#applied;
    this.#flushing = index;
    this.#dirtySince = undefined;
    const flush = this.#queue.beginFlush();
    const mark = { applied: index, logDurable: this.#applied, membership: this.#membership };
    return { flush, mark };
  }

  /**
   * The flush under way is on disk; returns the applied index that it vouches for. undefined: there
   * is none, and the word is about a state that a snapshot has replaced meanwhile.
   */
  flushed(): LogIndex | undefined {
    const index = this.#flushing;
    if (index === undefined) return undefined;
    this.#flushing = undefined;
    this.#flushed = index;
    this.#queue.flushed();
    return index;
  }

  /** True when apply is held back, or soon will be, until the log on disk has caught up. */
  isOverdue(durable: LogIndex, now: number): boolean {
    if (this.#flushing !== undefined || this.#dirtySince === undefined) return false;
    return durable < this.#applied.index && now >= this.#dirtySince + FLUSH_OVERDUE_MS;
  }

  /** Infinity while something else has to happen first. */
  nextDeadline(durable: LogIndex): number {
    const isIdle = this.#flushing === undefined && durable >= this.#applied.index;
    if (!isIdle || this.#dirtySince === undefined) return Number.POSITIVE_INFINITY;
    return this.#dirtySince + FLUSH_INTERVAL_MS;
  }
}
