/**
 * What the disk holds of the log and the hard state, as far as it has told us. `written` (handed
 * to the disk) and `durable` (fsynced) are exact even when the log is cut back while older batches
 * are still being written: the entry at an index on disk is then no longer the entry in memory,
 * and a late confirmation must not vouch for the new one (the ABA race). So every cut lowers
 * written, durable and the last index of every outstanding batch. A snapshot that replaces the log
 * is such a cut, right behind what was committed before it.
 */
import { fail } from "./assert.ts";
import type { RaftLog } from "./log.ts";
import type { Message } from "./message.ts";
import type { PersistBatch } from "./ready.ts";
import type { EntryId, HardState, LogIndex } from "./types.ts";

interface Outstanding {
  readonly seq: number;
  /** The disk's log equals ours up to here once this batch is written. */
  last: LogIndex;
}

export class Persistence {
  #seq = 0;
  #writtenSeq = 0;
  #outstanding: Outstanding[] = [];
  /** Last index that stands in a batch. */
  #handed: LogIndex;
  #written: LogIndex;
  #durable: LogIndex;
  #truncateFrom: LogIndex | undefined;
  #restore: EntryId | undefined;
  #hardStateDirty = false;
  /** The newest batch that carries a hard state. */
  #hardStateSeq = 0;

  /** `last`: of the log as it was found on disk, all of it durable. */
  constructor(last: LogIndex) {
    this.#handed = last;
    this.#written = last;
    this.#durable = last;
  }

  get written(): LogIndex {
    return this.#written;
  }

  get durable(): LogIndex {
    return this.#durable;
  }

  /** Are the present term and vote on disk? Only then may a message speak for them. */
  get hardStateSafe(): boolean {
    return !this.#hardStateDirty && this.#hardStateSeq <= this.#writtenSeq;
  }

  get hardStateDirty(): boolean {
    return this.#hardStateDirty;
  }

  hardStateChanged(): void {
    this.#hardStateDirty = true;
  }

  /** The log was cut: the entry at `from` and all behind it are gone. */
  truncated(from: LogIndex): void {
    const last = from - 1;
    if (from <= this.#handed) this.#truncateFrom = Math.min(from, this.#truncateFrom ?? from);
    this.#handed = Math.min(this.#handed, last);
    this.#vouchOnlyTo(last);
  }

  /**
   * A snapshot has replaced the log. Until the batch that says so is on disk, the disk has in
   * common with us what was committed before.
   */
  restored(id: EntryId, committedBefore: LogIndex): void {
    this.#restore = id;
    this.#truncateFrom = undefined;
    this.#handed = id.index;
    this.#vouchOnlyTo(committedBefore);
  }

  #vouchOnlyTo(last: LogIndex): void {
    this.#written = Math.min(this.#written, last);
    this.#durable = Math.min(this.#durable, last);
    for (const batch of this.#outstanding) batch.last = Math.min(batch.last, last);
  }

  /** Is there anything to write? */
  hasWork(lastIndex: LogIndex): boolean {
    if (this.#hardStateDirty || this.#restore !== undefined) return true;
    return this.#truncateFrom !== undefined || lastIndex > this.#handed;
  }

  /** Makes the next batch; `messages` must only be given along with a changed hard state. */
  take(log: RaftLog, hardState: HardState, messages: readonly Message[]): PersistBatch {
    this.#seq++;
    const batch: PersistBatch = {
      seq: this.#seq,
      hardState: this.#hardStateDirty ? hardState : undefined,
      truncateFrom: this.#truncateFrom,
      entries: log.slice(this.#handed + 1, log.lastIndex),
      restore: this.#restore,
      messages,
    };
    if (this.#hardStateDirty) this.#hardStateSeq = this.#seq;
    this.#hardStateDirty = false;
    this.#restore = undefined;
    this.#truncateFrom = undefined;
    this.#handed = log.lastIndex;
    this.#outstanding.push({ seq: this.#seq, last: this.#handed });
    return batch;
  }

  persisted(seq: number, durable: boolean): void {
    if (seq > this.#seq) fail(`batch ${seq} was confirmed, the newest is ${this.#seq}`);
    this.#writtenSeq = Math.max(this.#writtenSeq, seq);
    // Batches are few: as many as the caller lets the disk work on at once.
    for (const batch of this.#outstanding) {
      if (batch.seq > seq) break;
      this.#written = Math.max(this.#written, batch.last);
      if (durable) this.#durable = Math.max(this.#durable, batch.last);
    }
    while (durable && this.#outstanding[0] !== undefined && this.#outstanding[0].seq <= seq) {
      this.#outstanding.shift();
    }
  }
}
