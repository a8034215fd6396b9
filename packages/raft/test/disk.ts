/**
 * A disk for tests: batches are handed over, complete later and in order, and are lost by a crash
 * unless they were complete. It keeps the log behind its base and the mark of the state that was
 * flushed last, so that any recovery point between the two can be tried.
 */
import type {
  Entry,
  EntryId,
  HardState,
  LogIndex,
  Membership,
  PersistBatch,
  RecoveredLog,
  SnapshotId,
} from "../src/index.ts";

/** A log and where it begins. */
class Entries {
  base: EntryId = { term: 0, index: 0 };
  /** In force at `base`. */
  membership: Membership;
  /** Behind `base`, without a gap. */
  list: readonly Entry[] = [];

  constructor(membership: Membership) {
    this.membership = membership;
  }

  get lastIndex(): LogIndex {
    return this.base.index + this.list.length;
  }

  at(index: LogIndex): Entry | undefined {
    return this.list[index - this.base.index - 1];
  }

  /** Of the entry at `index`, or of the base. */
  idAt(index: LogIndex): EntryId {
    const id = index === this.base.index ? this.base : this.at(index);
    if (id === undefined) throw new Error(`entry ${index} is not on this disk`);
    return { term: id.term, index: id.index };
  }

  behind(index: LogIndex): readonly Entry[] {
    return this.list.slice(Math.max(0, index - this.base.index));
  }

  /** In force right after the entry at `index`. */
  membershipAt(index: LogIndex): Membership {
    const upTo = this.list.filter((one) => one.kind === "membership" && one.index <= index);
    const newest = upTo.at(-1);
    return newest === undefined ? this.membership : decodeMembership(newest.data);
  }

  /** A batch has come; throws when it does not fit on what is there. */
  take(batch: PersistBatch, restored: SnapshotId | undefined): void {
    if (restored !== undefined) {
      this.base = { term: restored.term, index: restored.index };
      this.membership = restored.membership;
      this.list = [];
    }
    const kept = [...this.list];
    if (batch.truncateFrom !== undefined) kept.length = batch.truncateFrom - 1 - this.base.index;
    for (const entry of batch.entries) {
      if (entry.index !== this.base.index + kept.length + 1) {
        throw new Error(`batch ${batch.seq} puts entry ${entry.index} behind ${kept.length}`);
      }
      kept.push(entry);
    }
    this.list = kept;
  }

  compact(upTo: LogIndex): void {
    if (upTo <= this.base.index) return;
    const list = this.behind(upTo);
    this.membership = this.membershipAt(upTo);
    this.base = this.idAt(upTo);
    this.list = list;
  }

  copyOf(other: Entries): void {
    this.base = other.base;
    this.membership = other.membership;
    this.list = other.list;
  }
}

export class Disk {
  hardState: HardState = { term: 0, vote: undefined };
  /** On disk for good. */
  readonly durable: Entries;
  /** As the node sees it: with all that it has handed over. */
  readonly current: Entries;
  /** The state that was flushed last: a restart goes on behind it. */
  flushed: SnapshotId;
  /** Snapshots that were taken over, until the batch that says so is complete. */
  #staged: SnapshotId[] = [];
  #pending: PersistBatch[] = [];
  /** Batches of `#pending` that were confirmed as written, but not as durable. */
  #written = 0;

  constructor(membership: Membership) {
    this.durable = new Entries(membership);
    this.current = new Entries(membership);
    this.flushed = { term: 0, index: 0, membership };
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** The oldest batch that is not complete. */
  get nextSeq(): number | undefined {
    return this.#pending[0]?.seq;
  }

  /** A log with these entries is there from the start. */
  found(entries: readonly Entry[], term: number): void {
    this.durable.list = entries;
    this.current.copyOf(this.durable);
    this.hardState = { term, vote: undefined };
  }

  /** The node goes on with this snapshot; one of its next batches will say so. */
  stage(snapshot: SnapshotId): void {
    this.#staged.push(snapshot);
  }

  write(batch: PersistBatch): void {
    this.#pending.push(batch);
    this.current.take(batch, this.#stagedFor(batch));
  }

  /** Finishes up to `count` batches. Returns those to be confirmed now. */
  complete(count: number, isDurable: boolean): PersistBatch[] {
    if (!isDurable) {
      const batches = this.#pending.slice(this.#written, this.#written + count);
      this.#written += batches.length;
      return batches;
    }
    const batches = this.#pending.splice(0, count);
    this.#written = Math.max(0, this.#written - batches.length);
    for (const batch of batches) {
      if (batch.hardState !== undefined) this.hardState = batch.hardState;
      const restored = this.#stagedFor(batch);
      this.durable.take(batch, restored);
      if (restored !== undefined) this.flushed = restored;
    }
    return batches;
  }

  /** The applied state is written, which says where the next start begins. */
  flush(mark: SnapshotId): void {
    if (mark.index > this.flushed.index) this.flushed = mark;
    this.#checkCoverage();
  }

  compact(upTo: LogIndex): void {
    this.durable.compact(upTo);
    this.current.compact(upTo);
    this.#checkCoverage();
  }

  crash(): void {
    this.#pending = [];
    this.#staged = [];
    this.#written = 0;
    this.current.copyOf(this.durable);
  }

  /** What a node finds that starts here; its tail begins right behind `prev`. */
  recover(prev: LogIndex): {
    hardState: HardState;
    membership: Membership;
    log: RecoveredLog;
  } {
    this.#checkCoverage();
    const { base } = this.durable;
    const from = Math.max(prev, base.index);
    const tail = this.durable.behind(from);
    const log = { base: base.index, prev: this.durable.idAt(from), tail };
    return { hardState: this.hardState, membership: this.durable.membershipAt(from), log };
  }

  /** At most `count` entries from `from` on; none, behind the base, if that one is gone. */
  read(from: LogIndex, count = Number.MAX_SAFE_INTEGER): { prev: EntryId; entries: Entry[] } {
    const { base } = this.durable;
    if (from <= base.index) return { prev: base, entries: [] };
    const entries = this.durable.behind(from - 1).slice(0, count);
    return { prev: this.durable.idAt(from - 1), entries };
  }

  /** State and log overlap: whatever the log has lost, the state has. */
  #checkCoverage(): void {
    const { base, lastIndex } = this.durable;
    if (base.index <= this.flushed.index && this.flushed.index <= lastIndex) return;
    throw new Error(`state at ${this.flushed.index}, but the log has ${base.index}-${lastIndex}`);
  }

  #stagedFor({ restore }: PersistBatch): SnapshotId | undefined {
    if (restore === undefined) return undefined;
    const staged = this.#staged.find(({ index }) => index === restore.index);
    if (staged?.term === restore.term) return staged;
    throw new Error(`no snapshot ${restore.term}/${restore.index} was taken over`);
  }
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export function encodeMembership({ voters, learners }: Membership): Uint8Array {
  return bytes(`${voters.join(",")};${learners.join(",")}`);
}

export function decodeMembership(data: Uint8Array): Membership {
  const [voters = "", learners = ""] = String.fromCharCode(...data).split(";");
  const list = (text: string) => text.split(",").filter((id) => id !== "");
  return { voters: list(voters), learners: list(learners) };
}
