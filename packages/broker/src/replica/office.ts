/**
 * What a leader proposes of its own accord: first of all `takeOffice`, then heartbeats folded into
 * one `renew` a second, and what deadlines demand. One demand is open at a time: it is decided
 * anew, from applied state, once the last one was applied.
 */

import type { LogIndex } from "task-queue-raft";
import type { Command, QueueMachine } from "../queue/index.ts";
import type { ClusterClock } from "./clock.ts";
import { RENEW_FOLD_MS } from "./limits.ts";

/** A session with shorter leases has its heartbeats committed within this share of them. */
const RENEW_SHARE = 10;

export class Office {
  readonly #queue: QueueMachine;
  readonly #clock: ClusterClock;
  #held = false;
  #takeOfficeDue = false;
  /** True once `takeOffice` of this office was applied: nothing lapses before. */
  #settled = false;
  #beats = new Set<string>();
  #renewAt = Number.POSITIVE_INFINITY;
  /** Index of the entry with the open demand; Infinity while it is not yet in the log. */
  #demandIndex: LogIndex | undefined;

  constructor(queue: QueueMachine, clock: ClusterClock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  take(): void {
    this.leave();
    this.#held = true;
    this.#takeOfficeDue = true;
    this.#clock.takeOffice(this.#queue.clock);
  }

  leave(): void {
    this.#clock.leaveOffice();
    this.#held = false;
    this.#takeOfficeDue = false;
    this.#settled = false;
    this.#beats.clear();
    this.#renewAt = Number.POSITIVE_INFINITY;
    this.#demandIndex = undefined;
  }

  /** True until `takeOffice` is in the log: it goes first, in an entry of its own. */
  get mustOpen(): boolean {
    return this.#takeOfficeDue;
  }

  opened(): void {
    this.#takeOfficeDue = false;
  }

  /** This office's `takeOffice` was applied. */
  get isSettled(): boolean {
    return this.#settled;
  }

  settled(): void {
    this.#settled = this.#held;
    if (this.#held) this.#clock.raise(this.#queue.clock);
  }

  beat(session: string, now: number): void {
    if (!this.#held) return;
    this.#beats.add(session);
    const leaseMs = this.#queue.session(session)?.leaseMs ?? RENEW_FOLD_MS;
    this.#renewAt = Math.min(this.#renewAt, now + Math.min(RENEW_FOLD_MS, leaseMs / RENEW_SHARE));
  }

  /** Commands whose time has come, to be part of the next entry. */
  demands(now: number): Command[] {
    const due = this.#dueCommands();
    if (this.#beats.size === 0) return due;
    // A heartbeat that has come before the lapse counts, folded or not.
    const isDue = now >= this.#renewAt || due.some((command) => command.type === "lapse");
    return isDue ? [{ type: "renew", sessions: [...this.#beats] }, ...due] : due;
  }

  #dueCommands(): Command[] {
    if (!this.#settled || this.#demandIndex !== undefined) return [];
    const at = this.#clock.read();
    return this.#queue.nextDeadline() <= at ? this.#queue.dueCommands(at) : [];
  }

  /** The commands of `demands` became part of entry `index`. */
  proposed(commands: readonly Command[], index: LogIndex): void {
    for (const command of commands) {
      if (command.type === "renew") {
        this.#beats.clear();
        this.#renewAt = Number.POSITIVE_INFINITY;
      } else {
        this.#demandIndex = index;
      }
    }
  }

  applied(index: LogIndex): void {
    if (this.#demandIndex !== undefined && index >= this.#demandIndex)
      this.#demandIndex = undefined;
  }

  /** Monotonic time at which `demands` has something to say by time alone. */
  nextDeadline(): number {
    if (!this.#held) return Number.POSITIVE_INFINITY;
    if (!this.#settled || this.#demandIndex !== undefined) return this.#renewAt;
    const due = this.#queue.nextDeadline();
    if (due === Number.POSITIVE_INFINITY) return this.#renewAt;
    return Math.min(this.#renewAt, this.#clock.earliest(due));
  }
}
