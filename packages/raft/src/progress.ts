/**
 * What the leader believes of one follower's log, and how fast it may send.
 *
 *            an acknowledgement              the log no longer reaches back
 *   probe ──────────────────────▶ replicate      probe, replicate ──▶ snapshot
 *         ◀──────────────────────                snapshot ──▶ replicate
 *               a rejection                  an acknowledgement of its index
 *
 * - probe: it is unknown where the logs part. One append at a time, then wait for the answer or
 *   the next heartbeat.
 * - replicate: the logs agree up to `next - 1` unless something was lost on the way. Appends are
 *   pipelined, up to `maxInflight` unanswered ones.
 * - snapshot: no appends. The follower is asked to fetch a snapshot, again with each heartbeat that
 *   it answers, until it says that it has got as far as `snapshotIndex`.
 *
 * Invariant: durable <= match, and match < next, except in snapshot, where `next` rests until its
 * end. Match never exceeds the last entry that this object has sent, or named as the one before
 * what it sent, or as the end of a snapshot. Not persisted; it lives as long as the office of one
 * leader, so acknowledgements of another term never reach it, and as long as one stay of the
 * member: who is removed and added again gets a new one, which answers to the old may still reach.
 */
import type { LogIndex } from "./types.ts";

export class Progress {
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** Our log and the follower's agree up to here, and the follower has handed it to its disk. */
  match: LogIndex = 0;
  /** The same, and fsynced there. */
  durable: LogIndex = 0;
  next: LogIndex;
  /** When the follower was last heard in this term, on the caller's clock. */
  lastContactMs: number;
  /** The newest heartbeat round it has answered. */
  answeredRound = 0;
  /** The newest commit index that an append has carried to it. */
  commitSent: LogIndex = 0;
  /** It should hear of the newest commit at once. */
  commitAwaited = false;
  /** Set while entries from here on are being fetched from disk for it. */
  logReadFrom: LogIndex | undefined;
  /** The entry that removed this member; it is served until it can know that this is committed. */
  leavingAt: LogIndex | undefined;
  /** When to give that up. */
  leaveDeadline = Number.POSITIVE_INFINITY;
  /** A probe, or the word that a snapshot must be fetched, is under way. */
  #asked = false;
  /** The last entry that was sent, or named as the one before what was sent, or in a snapshot. */
  #sentMax: LogIndex = 0;
  #snapshotIndex: LogIndex | undefined;
  /** Last index of each unanswered append, oldest first, in a ring. */
  readonly #inflight: LogIndex[];
  #oldest = 0;
  #inflightCount = 0;
  readonly #maxInflight: number;
  /** It has a new stream and has answered no append since: it may have forgotten what it knew. */
  #hasReturned = false;
  /** Both at the previous heartbeat's answer: has anything moved since? */
  #matchAtHeartbeat: LogIndex | undefined;
  #durableAtHeartbeat: LogIndex | undefined;
  /** Became a member during this office, perhaps not for the first time. */
  readonly #hasJoined: boolean;

  constructor(next: LogIndex, now: number, maxInflight: number, hasJoined = false) {
    this.next = next;
    this.lastContactMs = now;
    this.#maxInflight = maxInflight;
    this.#inflight = [];
    this.#hasJoined = hasJoined;
  }

  get inflight(): number {
    return this.#inflightCount;
  }

  get isLeaving(): boolean {
    return this.leavingAt !== undefined;
  }

  /** May no append be sent now? */
  get paused(): boolean {
    if (this.logReadFrom !== undefined || this.state === "snapshot") return true;
    return this.state === "probe" ? this.#asked : this.#inflightCount >= this.#maxInflight;
  }

  /** The snapshot that it must fetch reaches at least this far; undefined in the other states. */
  get snapshotIndex(): LogIndex | undefined {
    return this.#snapshotIndex;
  }

  /** An append that ends at `last` has been sent; one without entries takes no room. */
  sent(last: LogIndex, isEmpty: boolean): void {
    this.#sentMax = Math.max(this.#sentMax, last);
    if (this.state === "probe") {
      this.#asked = true;
      return;
    }
    this.next = last + 1;
    if (isEmpty) return;
    const slot = (this.#oldest + this.#inflightCount) % this.#maxInflight;
    this.#inflight[slot] = last;
    this.#inflightCount++;
  }

  /** An append was accepted. Returns whether `match` or `durable` moved. */
  acknowledged(match: LogIndex, durable: LogIndex): boolean {
    this.#hasReturned = false;
    const known = Math.min(match, this.#sentMax);
    const knownDurable = Math.min(durable, this.#sentMax);
    const moved = known > this.match || knownDurable > this.durable;
    this.match = Math.max(this.match, known);
    this.durable = Math.max(this.durable, knownDurable);
    if (this.#snapshotIndex !== undefined && this.match < this.#snapshotIndex) return moved;
    if (match > this.#sentMax) {
      // More than we have sent: it had that before, or meant another stay. Ask, do not believe.
      this.#probe(match + 1);
      return moved;
    }
    if (this.state === "replicate") this.#free();
    else this.#replicate();
    this.next = Math.max(this.next, this.match + 1);
    return moved;
  }

  /**
   * The follower lacks the entry at `prev`; `hint` is the newest of ours that it may hold. Late and
   * repeated rejections are recognised, or cost no more than a probe. A follower that lost power
   * may have forgotten what it held, but not what it had fsynced; `mayRegress`: not even that
   * counts, because all of them acknowledge before fsync. True: it lacks what it had fsynced.
   */
  rejected(prev: LogIndex, hint: LogIndex, mayRegress: boolean): boolean {
    // Whatever it lacks, the snapshot has it.
    if (this.state === "snapshot") return false;
    if (this.state === "replicate") {
      if (prev <= this.durable && !this.#hasJoined) return !mayRegress && hint < prev;
      if (hint < this.match) this.match = this.durable;
      this.#probe(Math.max(this.match, Math.min(hint, prev - 1)) + 1);
      return false;
    }
    if (prev !== this.next - 1) return false;
    if (hint < this.match) {
      // What a member that was removed and added again had acknowledged the first time is void.
      if (mayRegress || this.#hasJoined) this.durable = 0;
      this.match = this.durable;
    }
    const next = Math.max(this.match, Math.min(hint, prev - 1)) + 1;
    // A follower that lost what it had acknowledged as durable: no going back, and no busy loop.
    if (next === this.next) return hint < this.durable;
    this.#probe(next);
    return false;
  }

  /**
   * A heartbeat was answered, so the follower can be reached: a lost probe may be repeated. Returns
   * true when the follower is behind `last`, on disk or at all, and has not moved since the
   * heartbeat before this one: then something was probably lost, and the leader should ask.
   */
  heartbeatAnswered(last: LogIndex): boolean {
    if (this.state !== "replicate") {
      this.#asked = false;
      return false;
    }
    const hasMoved =
      this.match !== this.#matchAtHeartbeat || this.durable !== this.#durableAtHeartbeat;
    this.#matchAtHeartbeat = this.match;
    this.#durableAtHeartbeat = this.durable;
    return this.#hasReturned || (this.durable < last && !hasMoved);
  }

  /** It may have started again: then it knows no more which of its entries are committed. */
  returned(): void {
    this.#hasReturned = true;
  }

  /** Forgets what was sent beyond what has been acknowledged. */
  startOver(): void {
    this.#probe(this.match + 1);
  }

  /** The log begins behind `base`, and it needs older entries: it must fetch a snapshot. */
  needsSnapshot(base: LogIndex): void {
    this.#probe(this.next);
    this.state = "snapshot";
    this.#snapshotIndex = base;
    this.#sentMax = Math.max(this.#sentMax, base);
    this.logReadFrom = undefined;
  }

  /** Should it be told now to fetch a snapshot? Once for each answered heartbeat. */
  takeSnapshotDue(): boolean {
    const isDue = this.state === "snapshot" && !this.#asked;
    if (isDue) this.#asked = true;
    return isDue;
  }

  #replicate(): void {
    this.state = "replicate";
    this.#reset();
    this.next = this.match + 1;
  }

  #probe(next: LogIndex): void {
    this.state = "probe";
    this.#reset();
    this.next = next;
  }

  #reset(): void {
    this.#asked = false;
    this.#snapshotIndex = undefined;
    this.#oldest = 0;
    this.#inflightCount = 0;
    this.#matchAtHeartbeat = undefined;
    this.#durableAtHeartbeat = undefined;
  }

  #free(): void {
    while (this.#inflightCount > 0 && this.#inflight[this.#oldest]! <= this.match) {
      this.#oldest = (this.#oldest + 1) % this.#maxInflight;
      this.#inflightCount--;
    }
  }
}
