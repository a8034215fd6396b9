/**
 * How much one `wake` or `lapse` does: it ends tasks for good, with all that hear of it, and is
 * carried on by another command once this is used up. Invariant: what is counted is what was done,
 * so that all replicas stop at the same task.
 */
import { WAKE_DEATH_COST } from "./limits.ts";
import type { QueueState } from "./state.ts";
import { DEAD } from "./state-number.ts";

export class Work {
  readonly #s: QueueState;
  #left: number;
  /**
   * What has died so far, by type, and whether it ran: in what words one of a kind dies follows
   * from that, but for three or two ways to say it.
   */
  #deaths: Set<string> | undefined;

  constructor(s: QueueState, max: number) {
    this.#s = s;
    this.#left = max;
  }

  get isUsedUp(): boolean {
    return this.#left <= 0;
  }

  /** Does this to the task in `slot`, and counts it. */
  carryOut(slot: number, change: (s: QueueState, slot: number) => void): void {
    const s = this.#s;
    const links = s.links.size;
    const dead = s.counts[DEAD]!;
    const state = s.table.state[slot]!;
    const { type } = s.lanes.laneOf(slot);
    change(s, slot);
    // Before version 3 nothing is read for a death.
    const isNewKind = s.version >= 3 && s.counts[DEAD]! > dead && this.#isNew(`${state} ${type}`);
    // A child that hears of an end, or a parent that it waited for, is work as well.
    this.#left -= (isNewKind ? WAKE_DEATH_COST : 1) + links - s.links.size;
  }

  #isNew(kind: string): boolean {
    this.#deaths ??= new Set();
    if (this.#deaths.has(kind)) return false;
    this.#deaths.add(kind);
    return true;
  }
}
