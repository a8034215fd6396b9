/**
 * Decides, on the leader, when to propose `lease` for which worker session. It guesses nothing: a
 * lease that finds no task grants none and parks the session until a task that it can run is ready.
 *
 * Leader memory only. A session's credit is what its worker is willing to hold (its window) minus
 * what it holds in applied state, minus what was asked for and not yet applied; a completion on its
 * way frees its credit at once, so that the next lease rides in the same entry.
 */
import type { Command, Lease, LeaseView, QueueMachine, Submit } from "../queue/index.ts";

interface Attached {
  window: number;
  /** Size of the one open `lease` command; 0 = none. */
  asked: number;
  /** Completions, failures and releases proposed and not yet applied. */
  ending: number;
  /** Its last lease found too little: wait for a ready task. */
  parked: boolean;
}

export class Dispatcher {
  readonly #queue: QueueMachine;
  readonly #sessions = new Map<string, Attached>();
  /** Names in round-robin order: whoever got a lease goes to the end. */
  #turnOrder: string[] = [];

  constructor(queue: QueueMachine) {
    this.#queue = queue;
  }

  attach(session: string): void {
    this.detach(session);
    this.#sessions.set(session, { window: 0, asked: 0, ending: 0, parked: false });
    this.#turnOrder.push(session);
  }

  detach(session: string): void {
    if (!this.#sessions.delete(session)) return;
    this.#turnOrder = this.#turnOrder.filter((each) => each !== session);
  }

  isAttached(session: string): boolean {
    return this.#sessions.has(session);
  }

  attachedSessions(): readonly string[] {
    return this.#turnOrder;
  }

  /** Leadership is gone: sessions must register with the new leader. */
  clear(): void {
    this.#sessions.clear();
    this.#turnOrder = [];
  }

  setWindow(session: string, window: number): void {
    const attached = this.#sessions.get(session);
    if (attached === undefined) return;
    attached.window = window;
  }

  /** A command of this session that ends a lease was taken in (+1) or answered (-1). */
  countEnding(session: string, change: 1 | -1): void {
    const attached = this.#sessions.get(session);
    if (attached === undefined) return;
    attached.ending = Math.max(0, attached.ending + change);
  }

  /** The lease was applied; `granted` tasks were given. */
  leaseApplied(lease: Lease, granted: number): void {
    const attached = this.#sessions.get(lease.session);
    if (attached === undefined) return;
    attached.asked = 0;
    attached.parked = granted < lease.count;
  }

  /**
   * A task of this lane became ready. If the lease behind it in the same entry has not taken it,
   * one parked session with credit wakes up for it; when none has credit, all that match do, for
   * whichever frees some first must look again.
   */
  laneReady(lane: number): void {
    if (this.#queue.laneDepth(lane) === 0) return;
    const matching: Attached[] = [];
    for (const session of this.#turnOrder) {
      const attached = this.#sessions.get(session) as Attached;
      if (!attached.parked || !this.#queue.matches(session, lane)) continue;
      if (this.#credit(session, attached) > 0) {
        attached.parked = false;
        return;
      }
      matching.push(attached);
    }
    for (const attached of matching) attached.parked = false;
  }

  /** These commands did not get into the log after all. */
  leasesDropped(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type !== "lease") continue;
      const attached = this.#sessions.get(command.session);
      if (attached !== undefined) attached.asked = 0;
    }
  }

  /** Leases to ride behind `batch`, the commands about to become one entry. */
  leases(batch: readonly Command[]): Lease[] {
    const leases: Lease[] = [];
    if (this.#sessions.size === 0) return leases;
    const demand = demandOf(batch);
    for (const session of [...this.#turnOrder]) {
      const attached = this.#sessions.get(session) as Attached;
      const credit = this.#credit(session, attached);
      if (credit <= 0) continue;
      const waiting = attached.parked ? 0 : this.#queue.readyFor(session, credit);
      const coming = waiting < credit ? this.#take(demand, session, credit - waiting) : 0;
      if (waiting + coming === 0) continue;
      attached.asked = waiting + coming;
      leases.push({ type: "lease", session, count: attached.asked });
    }
    for (const lease of leases) this.#toTheEnd(lease.session);
    return leases;
  }

  #credit(session: string, attached: Attached): number {
    if (attached.asked > 0) return 0;
    const held = this.#queue.leaseCount(session);
    return attached.window - Math.max(0, held - attached.ending);
  }

  /** How many of the batch's own submits this session can have; takes them off `demand`. */
  #take(demand: Demand[], session: string, max: number): number {
    let taken = 0;
    for (const each of demand) {
      if (each.count === 0 || !this.#queue.accepts(session, each.queue, each.type)) continue;
      const share = Math.min(each.count, max - taken);
      each.count -= share;
      taken += share;
      if (taken === max) break;
    }
    return taken;
  }

  #toTheEnd(session: string): void {
    const at = this.#turnOrder.indexOf(session);
    this.#turnOrder.splice(at, 1);
    this.#turnOrder.push(session);
  }
}

/** Leases of `all` that the worker does not know of: they are delivered again. */
export function unknownLeases(all: readonly LeaseView[], held: readonly number[]): LeaseView[] {
  const known = new Set(held);
  return all.filter((lease) => !known.has(lease.token));
}

interface Demand {
  readonly queue: string;
  readonly type: string;
  count: number;
}

/** How many tasks of each kind the batch itself makes ready at once. */
function demandOf(batch: readonly Command[]): Demand[] {
  const demand: Demand[] = [];
  let newest: Demand | undefined;
  for (const command of batch) {
    if (command.type !== "submit" || isDelayed(command)) continue;
    const { queue, type } = command.content;
    if (newest?.queue !== queue || newest.type !== type) {
      newest = demand.find((each) => each.queue === queue && each.type === type);
      if (newest === undefined) {
        newest = { queue, type, count: 0 };
        demand.push(newest);
      }
    }
    newest.count++;
  }
  return demand;
}

function isDelayed(submit: Submit): boolean {
  return submit.content.delayMs > 0 || submit.content.runAt > 0;
}
