/**
 * When to stop believing in the leader. The timeout is drawn anew each time, from one to two times
 * the election timeout, so that nodes which once timed out together do not do so for ever (§3.4).
 *
 * Two refinements. A leader whose control stream was closed and who stays silent is suspected much
 * earlier: its process is probably gone. And a timer that is served late, because this process
 * itself was stalled, gives what lies unread in its sockets a chance first.
 */
import type { NodeId } from "./types.ts";

/** With its stream closed, a leader silent for this long is suspected. */
export const SUSPICION_MS = 200;
/**
 * Then a pre-vote starts after a random wait between these, so that not all nodes start at once.
 */
export const SUSPICION_WAIT_MIN_MS = 50;
export const SUSPICION_WAIT_MAX_MS = 150;
/**
 * Two who suspect the leader may campaign at once and split the votes. They get as many campaigns
 * as this at the quick pace; then there may be another reason, such as disks too slow for it.
 */
export const SUSPICION_CAMPAIGNS = 3;

export class ElectionTimer {
  readonly #electionTimeoutMs: number;
  readonly #graceMs: number;
  readonly #random: () => number;
  #deadline: number;
  /** When the leader was last heard. */
  #heardMs = Number.NEGATIVE_INFINITY;
  /** The leader whose control stream is closed. */
  #suspect: NodeId | undefined;
  #suspicionDeadline = Number.POSITIVE_INFINITY;
  #quickCampaigns = 0;
  #graceGiven = false;

  constructor(options: {
    readonly electionTimeoutMs: number;
    readonly heartbeatIntervalMs: number;
    readonly random: () => number;
    readonly now: number;
  }) {
    this.#electionTimeoutMs = options.electionTimeoutMs;
    this.#graceMs = options.heartbeatIntervalMs;
    this.#random = options.random;
    this.#deadline = 0;
    this.#arm(options.now);
  }

  get deadline(): number {
    return Math.min(this.#deadline, this.#suspicionDeadline);
  }

  /** A fresh start without any suspicion: a vote was given, an office was taken or lost. */
  reset(now: number): void {
    this.calm();
    this.#arm(now);
  }

  /** Expires at once. For a node that is its own quorum: there is nobody to wait for. */
  skip(now: number): void {
    this.#deadline = now;
    this.#graceGiven = true;
  }

  /**
   * The leader was heard. Only its heartbeats prove that the control stream is open again; an
   * append may have come on another stream just before that one broke as well.
   */
  heard(now: number, isHeartbeat: boolean): void {
    this.#heardMs = now;
    if (isHeartbeat) this.calm();
    else if (this.#suspect !== undefined) this.#suspectAfterSilence(now);
    this.#arm(now);
  }

  /** The control stream of the leader was closed. */
  disconnected(leader: NodeId, now: number): void {
    this.#suspect = leader;
    this.#quickCampaigns = 0;
    this.#suspectAfterSilence(now);
  }

  get suspect(): NodeId | undefined {
    return this.#suspect;
  }

  /** Ends the suspicion: the stream is back, or there is another leader. */
  calm(): void {
    this.#suspect = undefined;
    this.#suspicionDeadline = Number.POSITIVE_INFINITY;
  }

  /** A pre-vote starts now: when to try again. Sooner while the old leader is still suspected. */
  tried(now: number): void {
    this.#arm(now);
    if (this.#suspect !== undefined) this.#suspectFrom(now + SUSPICION_MS);
  }

  /** A campaign starts now. */
  campaigned(now: number): void {
    this.#quickCampaigns++;
    if (this.#quickCampaigns > SUSPICION_CAMPAIGNS) this.calm();
    this.tried(now);
  }

  /** Is it too early to help others to another leader (§4.2.3)? */
  trustsLeader(now: number): boolean {
    const silentMs = now - this.#heardMs;
    if (this.#suspect !== undefined && silentMs >= SUSPICION_MS) return false;
    return silentMs < this.#electionTimeoutMs;
  }

  /** Is it time to campaign? A late call is turned into a short wait, once. */
  expired(now: number): boolean {
    const lateMs = now - this.deadline;
    if (lateMs < 0) return false;
    if (lateMs <= this.#graceMs || this.#graceGiven) return true;
    this.#graceGiven = true;
    this.#deadline = now + this.#graceMs;
    if (this.#suspect !== undefined) this.#suspicionDeadline = this.#deadline;
    return false;
  }

  #arm(now: number): void {
    this.#deadline = now + this.#electionTimeoutMs * (1 + this.#random());
    this.#graceGiven = false;
  }

  #suspectAfterSilence(now: number): void {
    this.#suspectFrom(Math.max(now, this.#heardMs + SUSPICION_MS));
  }

  #suspectFrom(start: number): void {
    const spanMs = SUSPICION_WAIT_MAX_MS - SUSPICION_WAIT_MIN_MS;
    this.#suspicionDeadline = start + SUSPICION_WAIT_MIN_MS + spanMs * this.#random();
  }
}
