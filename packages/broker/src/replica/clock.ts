/**
 * The cluster's clock, as the leader stamps it. Within an office it follows the monotonic clock,
 * slewed between half and double speed towards the median of the voters' wall clocks: it never
 * jumps and never stands still. A leader whose own wall clock is years off would otherwise fire
 * every delay at once.
 */
import { CLOCK_ALARM_MS } from "./limits.ts";

const SLOWEST = 0.5;
const FASTEST = 2;

export class ClusterClock {
  #now: number;
  /** Wall minus monotonic, of this node and of each peer, as last heard. */
  #ownOffset: number;
  readonly #peerOffsets = new Map<string, number>();
  /** Told already. */
  readonly #disagreeing = new Set<string>();
  /** Of all offsets; undefined = one of them has changed. */
  #median: number | undefined;
  #at = 0;
  #atMono = 0;
  #inOffice = false;

  /** Both in ms: the monotonic clock, and the wall clock at the same moment. */
  constructor(now: number, wallMs: number) {
    this.#now = now;
    this.#ownOffset = wallMs - now;
  }

  advance(now: number, wallMs: number): void {
    this.#now = Math.max(this.#now, now);
    this.#ownOffset = wallMs - now;
    this.#median = undefined;
  }

  heard(peer: string, wallMs: number): void {
    this.#peerOffsets.set(peer, wallMs - this.#now);
    this.#median = undefined;
  }

  forget(peer: string): void {
    this.#peerOffsets.delete(peer);
    this.#median = undefined;
  }

  /** `floor`: the newest time in the log; time goes on from there if the median is behind it. */
  takeOffice(floor: number): void {
    this.#at = Math.max(floor, this.#now + this.#medianOffset());
    this.#atMono = this.#now;
    this.#inOffice = true;
  }

  /**
   * The log has turned out to be further: entries of an earlier leader, unapplied when this office
   * was taken, carry later times. Behind them the cluster's time would stand still.
   */
  raise(floor: number): void {
    this.#at = Math.max(this.read(), floor);
  }

  leaveOffice(): void {
    this.#inOffice = false;
  }

  /** Cluster time now: exact in office, this node's best guess otherwise. Whole milliseconds. */
  read(): number {
    if (!this.#inOffice) return Math.floor(this.#now + this.#medianOffset());
    const elapsed = this.#now - this.#atMono;
    if (elapsed > 0) {
      const behind = this.#now + this.#medianOffset() - this.#at;
      this.#at += Math.min(Math.max(behind, elapsed * SLOWEST), elapsed * FASTEST);
      this.#atMono = this.#now;
    }
    return Math.floor(this.#at);
  }

  /** Monotonic time before which `clusterTime` cannot have come. */
  earliest(clusterTime: number): number {
    const ahead = clusterTime - this.read();
    if (ahead <= 0) return this.#now;
    return this.#now + Math.max(1, ahead / FASTEST);
  }

  /** Clocks that have come to differ from the median by more than a minute since the last call. */
  newDisagreements(): { readonly who: string; readonly ms: number }[] {
    const median = this.#medianOffset();
    const found = [];
    for (const [who, offset] of [["this node", this.#ownOffset] as const, ...this.#peerOffsets]) {
      const ms = offset - median;
      if (Math.abs(ms) <= CLOCK_ALARM_MS) this.#disagreeing.delete(who);
      else if (!this.#disagreeing.has(who)) {
        this.#disagreeing.add(who);
        found.push({ who, ms });
      }
    }
    return found;
  }

  /** Of an even number the lower one: a clock that runs ahead does more harm than one behind. */
  #medianOffset(): number {
    this.#median ??= this.#computeMedian();
    return this.#median;
  }

  #computeMedian(): number {
    if (this.#peerOffsets.size === 0) return this.#ownOffset;
    const offsets = [this.#ownOffset, ...this.#peerOffsets.values()].sort((a, b) => a - b);
    return offsets[(offsets.length - 1) >> 1] as number;
  }
}
