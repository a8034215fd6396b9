/**
 * What the leader believes of one follower's log, and how fast it may send.
 *
 *            an acknowledgement
 *   probe ──────────────────────▶ replicate
 *         ◀──────────────────────
 *               a rejection
 *
 * - probe: it is unknown where the logs part. One append at a time, then wait for the answer or
 *   the next heartbeat.
 * - replicate: the logs agree up to `next - 1` unless something was lost on the way. Appends are
 *   pipelined, up to `maxInflight` unanswered ones.
 *
 * Invariant: durable <= match < next. Not persisted; it lives as long as the office of one leader,
 * so acknowledgements of another term never reach it.
 */
import type { LogIndex } from "./types.ts";

export class Progress {
  state: "probe" | "replicate" = "probe";
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
  /** Set while entries from here on are being fetched from disk for it. */
  logReadFrom: LogIndex | undefined;
  /** A probe is under way. */
  #probing = false;
  /** Last index of each unanswered append, oldest first, in a ring. */
  readonly #inflight: LogIndex[];
  #oldest = 0;
  #inflightCount = 0;
  readonly #maxInflight: number;
  /** `match` at the previous heartbeat's answer: has anything moved since? */
  #matchAtHeartbeat: LogIndex | undefined;

  constructor(next: LogIndex, now: number, maxInflight: number) {
    this.next = next;
    this.lastContactMs = now;
    this.#maxInflight = maxInflight;
    this.#inflight = [];
  }

  get inflight(): number {
    return this.#inflightCount;
  }

  /** May no append be sent now? */
  get paused(): boolean {
    if (this.logReadFrom !== undefined) return true;
    return this.state === "probe" ? this.#probing : this.#inflightCount >= this.#maxInflight;
  }

  /** An append that ends at `last` has been sent; one without entries takes no room. */
  sent(last: LogIndex, isEmpty: boolean): void {
    if (this.state === "probe") {
      this.#probing = true;
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
    const moved = match > this.match || durable > this.durable;
    this.match = Math.max(this.match, match);
    this.durable = Math.max(this.durable, durable);
    if (this.state === "probe") this.#replicate();
    else this.#free();
    this.next = Math.max(this.next, this.match + 1);
    return moved;
  }

  /**
   * The follower lacks the entry at `prev`; `hint` is the newest of ours that it may hold. Late and
   * repeated rejections are recognised and change nothing. `mayRegress`: the follower is allowed to
   * forget what it acknowledged (it counts before fsync, and lost power).
   */
  rejected(prev: LogIndex, hint: LogIndex, mayRegress: boolean): void {
    if (this.state === "replicate") {
      if (prev <= this.match) return;
      this.#probe(Math.max(this.match, Math.min(hint, prev - 1)) + 1);
      return;
    }
    if (prev !== this.next - 1) return;
    if (mayRegress && hint < this.match) {
      this.match = 0;
      this.durable = 0;
    }
    const next = Math.max(this.match, Math.min(hint, prev - 1)) + 1;
    // A follower that lost what it had acknowledged as durable: no going back, and no busy loop.
    if (next === this.next) return;
    this.#probe(next);
  }

  /**
   * A heartbeat was answered, so the follower can be reached: a lost probe may be repeated. Returns
   * true when the follower is behind `last` and has not moved since the heartbeat before this one:
   * then what was sent is probably lost, and the leader should ask.
   */
  heartbeatAnswered(last: LogIndex): boolean {
    if (this.state === "probe") {
      this.#probing = false;
      return false;
    }
    const isStuck = this.match < last && this.match === this.#matchAtHeartbeat;
    this.#matchAtHeartbeat = this.match;
    return isStuck;
  }

  /** Forgets what was sent beyond what has been acknowledged. */
  startOver(): void {
    this.#probe(this.match + 1);
  }

  /** Stops until the next heartbeat is answered. */
  pauseUntilHeartbeat(): void {
    this.#probe(this.next);
    this.#probing = true;
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
    this.#probing = false;
    this.#oldest = 0;
    this.#inflightCount = 0;
    this.#matchAtHeartbeat = undefined;
  }

  #free(): void {
    while (this.#inflightCount > 0 && this.#inflight[this.#oldest]! <= this.match) {
      this.#oldest = (this.#oldest + 1) % this.#maxInflight;
      this.#inflightCount--;
    }
  }
}
