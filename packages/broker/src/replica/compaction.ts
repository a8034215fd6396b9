/**
 * How much of the log may go. Never more than a completed flush of the state covers, and a little
 * less: who was away for a moment catches up from the log, which is cheaper than a snapshot. A
 * leader also keeps what a member that answers still needs, within bounds; a member that waits for
 * a snapshot needs all that came after it, and rather than begin that again, writes have to wait.
 *
 * Bytes are counted in coarse steps: positions between two checkpoints are interpolated.
 */
import type { LogIndex, MemberStatus, PersistBatch } from "task-queue-raft";
import {
  COMPACT_BYTES_MIN,
  COMPACT_ENTRIES_MIN,
  LOG_BYTES_MAX,
  LOG_KEPT_BYTES,
  LOG_KEPT_FOR_SILENT_MS,
  LOG_PINNED_BYTES_MAX,
} from "./limits.ts";
import type { ReplicaOptions } from "./options.ts";

/** Entries up to `index` have this many bytes of data, counted from some point in the past. */
interface Checkpoint {
  readonly index: LogIndex;
  readonly bytes: number;
}

/** One for each so many bytes: at most a few thousand of them, whatever the log holds. */
const CHECKPOINT_BYTES = 1024 * 1024;

export class Compaction {
  readonly #snapshotEntries: number;
  /** By index; the first one stands at the base of the log. */
  #checkpoints: Checkpoint[];
  #last: Checkpoint;
  #flushed: LogIndex;
  /** Is there reason to look again? */
  #isDue = true;
  #isPinned = false;

  /** The log holds the entries from `base` + 1 to `last`, `logBytes` of data. */
  constructor(
    snapshotEntries: number,
    base: LogIndex,
    last: LogIndex,
    logBytes: number,
    flushed: LogIndex,
  ) {
    this.#snapshotEntries = snapshotEntries;
    this.#checkpoints = [{ index: base, bytes: 0 }];
    this.#last = { index: last, bytes: logBytes };
    this.#flushed = flushed;
  }

  /** At the birth of a replica. */
  static at(options: ReplicaOptions, lastIndex: LogIndex): Compaction {
    const { raft, settings, logBytes, applied } = options;
    const { snapshotEntries } = settings;
    return new Compaction(snapshotEntries, raft.log.base, lastIndex, logBytes, applied.index);
  }

  /** Bytes of the log, roughly. */
  get bytes(): number {
    return this.#last.bytes - this.#base.bytes;
  }

  /** No more writes should be taken in: a member must get its snapshot first. */
  get isOverfull(): boolean {
    return this.#isPinned && this.bytes > LOG_PINNED_BYTES_MAX;
  }

  /** What is about to be written to the log. */
  persisted({ restore, truncateFrom, entries }: PersistBatch): void {
    if (restore !== undefined) this.#restart(restore.index);
    if (truncateFrom !== undefined) this.#truncate(truncateFrom - 1);
    for (const { index, data } of entries) {
      this.#last = { index, bytes: this.#last.bytes + data.length };
      const newest = this.#checkpoints.at(-1) as Checkpoint;
      if (this.#last.bytes - newest.bytes >= CHECKPOINT_BYTES) this.#checkpoints.push(this.#last);
    }
  }

  /** A flush of the state at `applied` is complete. */
  flushed(applied: LogIndex): void {
    this.#flushed = Math.max(this.#flushed, applied);
    this.#isDue = true;
  }

  /** Up to where to compact now; `members`: `raft.status()`, on a leader. */
  next(members: () => readonly MemberStatus[], now: number): LogIndex | undefined {
    if (!this.#isDue && !this.isOverfull) return undefined;
    this.#isDue = false;
    const wanted = Math.max(this.#flushed - this.#snapshotEntries, this.#indexOfKeptBytes());
    this.#isPinned = false;
    if (!this.#isWorthwhile(wanted)) return undefined;
    const upTo = Math.min(wanted, this.#neededFrom(members(), now));
    if (!this.#isWorthwhile(upTo)) return undefined;
    this.#dropUpTo(upTo);
    return upTo;
  }

  get #base(): Checkpoint {
    return this.#checkpoints[0] as Checkpoint;
  }

  /** The first index of which some member still needs the entries behind it. */
  #neededFrom(members: readonly MemberStatus[], now: number): LogIndex {
    let needed = Number.POSITIVE_INFINITY;
    for (const { match, snapshotIndex, lastContactMs } of members) {
      if (now - lastContactMs > LOG_KEPT_FOR_SILENT_MS) continue;
      if (snapshotIndex !== undefined) {
        needed = Math.min(needed, snapshotIndex);
        this.#isPinned = true;
      } else if (this.bytes <= LOG_BYTES_MAX) {
        needed = Math.min(needed, match);
      }
    }
    return needed;
  }

  #isWorthwhile(upTo: LogIndex): boolean {
    const { index, bytes } = this.#base;
    const entries = Math.max(COMPACT_ENTRIES_MIN, Math.floor(this.#snapshotEntries / 4));
    if (upTo - index >= entries) return true;
    return upTo > index && this.#bytesUpTo(upTo) - bytes >= COMPACT_BYTES_MIN;
  }

  /** The lowest index behind which the flushed state has no more than LOG_KEPT_BYTES. */
  #indexOfKeptBytes(): LogIndex {
    const bytes = this.#bytesUpTo(this.#flushed) - LOG_KEPT_BYTES;
    if (bytes <= this.#base.bytes) return this.#base.index;
    const [low, high] = this.#around((each) => each.bytes <= bytes);
    const share = (bytes - low.bytes) / (high.bytes - low.bytes);
    return Math.min(Math.ceil(low.index + share * (high.index - low.index)), this.#flushed);
  }

  #bytesUpTo(index: LogIndex): number {
    const [low, high] = this.#around((each) => each.index <= index);
    if (high.index === low.index) return low.bytes;
    const share = (Math.min(index, high.index) - low.index) / (high.index - low.index);
    return low.bytes + share * (high.bytes - low.bytes);
  }

  /** The last checkpoint that is `below`, and the one behind it. */
  #around(below: (checkpoint: Checkpoint) => boolean): readonly [Checkpoint, Checkpoint] {
    const at = Math.max(0, this.#checkpoints.findLastIndex(below));
    return [this.#checkpoints[at] as Checkpoint, this.#checkpoints[at + 1] ?? this.#last];
  }

  #dropUpTo(index: LogIndex): void {
    const base = { index, bytes: this.#bytesUpTo(index) };
    this.#checkpoints = [base, ...this.#checkpoints.filter((each) => each.index > index)];
  }

  #truncate(last: LogIndex): void {
    if (last >= this.#last.index) return;
    const bytes = this.#bytesUpTo(last);
    this.#checkpoints = [
      this.#base,
      ...this.#checkpoints.slice(1).filter((each) => each.index <= last),
    ];
    this.#last = { index: last, bytes };
  }

  #restart(index: LogIndex): void {
    this.#checkpoints = [{ index, bytes: 0 }];
    this.#last = { index, bytes: 0 };
    this.#flushed = index;
  }
}
