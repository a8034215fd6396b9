/**
 * Keeps the session alive and is honest about it. It sends the heartbeats, and it knows until when
 * the leases are certainly still this worker's: one lease length after the *sending* of the last
 * heartbeat that was acknowledged. Past that moment the broker may have given the tasks to others,
 * whatever this process would like to believe.
 */
import type { Clock, Timer } from "../clock.ts";

export interface LeaseWatchListener {
  beat(): void;
  /** No acknowledgement for so long that the link is not to be trusted; leases are still held. */
  suspect(silentMs: number): void;
  /** The leases may be gone. */
  lapsed(silentMs: number): void;
}

/** After this share of a lease without an acknowledgement, another node is worth trying. */
const SUSPECT_SHARE = 3 / 4;

export class LeaseWatch {
  readonly #clock: Clock;
  readonly #listener: LeaseWatchListener;
  #leaseMs = 0;
  #beatMs = 0;
  #renewedAt = 0;
  #beatTimer: Timer | undefined;
  #suspectTimer: Timer | undefined;
  #lapseTimer: Timer | undefined;

  constructor(clock: Clock, listener: LeaseWatchListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** A registration that was sent at `registeredAt` has been accepted. */
  linked(leaseMs: number, beatMs: number, registeredAt: number): void {
    this.#leaseMs = leaseMs;
    this.#beatMs = beatMs;
    this.#renewedAt = Math.max(this.#renewedAt, registeredAt);
    this.#armBeat();
    this.#armSuspect();
    this.#armLapse();
  }

  /** The link is gone: no more heartbeats, but the lease runs on. */
  unlinked(): void {
    this.#beatTimer?.cancel();
    this.#suspectTimer?.cancel();
    this.#beatTimer = undefined;
    this.#suspectTimer = undefined;
  }

  /** Heartbeats sent up to `sentAt` are acknowledged. */
  renewed(sentAt: number): void {
    if (sentAt > this.#renewedAt) this.#renewedAt = sentAt;
  }

  /** Milliseconds since the newest proof that the broker heard this worker. */
  get silentMs(): number {
    return this.#clock.now() - this.#renewedAt;
  }

  /** Is the time of the last lease over? */
  get hasLapsed(): boolean {
    return this.silentMs >= this.#leaseMs;
  }

  stop(): void {
    this.unlinked();
    this.#lapseTimer?.cancel();
    this.#lapseTimer = undefined;
  }

  #armBeat(): void {
    this.#beatTimer?.cancel();
    this.#beatTimer = this.#clock.after(this.#beatMs, () => {
      this.#armBeat();
      this.#listener.beat();
    });
  }

  /** Timers are moved when they fire, not at each renewal. */
  #armSuspect(): void {
    this.#suspectTimer?.cancel();
    const limit = this.#leaseMs * SUSPECT_SHARE;
    this.#suspectTimer = this.#clock.after(limit - this.silentMs, () => {
      if (this.silentMs < limit) return this.#armSuspect();
      this.#suspectTimer = undefined;
      this.#listener.suspect(this.silentMs);
    });
  }

  #armLapse(): void {
    this.#lapseTimer?.cancel();
    this.#lapseTimer = this.#clock.after(this.#leaseMs - this.silentMs, () => {
      if (this.silentMs < this.#leaseMs) return this.#armLapse();
      this.#lapseTimer = undefined;
      this.#listener.lapsed(this.silentMs);
    });
  }
}
