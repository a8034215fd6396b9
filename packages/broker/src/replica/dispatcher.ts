/**
 * Decides, on the leader, when to propose `lease` for which worker session. It asks only for tasks
 * that are ready, or become so by the very same entry. Who finds nothing is parked, so that idle
 * sessions cost next to nothing. Invariant: for a parked session nothing is ready.
 *
 * Leader memory only. A session's credit is what its worker is willing to hold (its window) minus
 * what it holds in applied state and what leases on their way ask for; a completion on its way
 * frees its credit at once, so that the next lease rides in the same entry. Nothing waits for an
 * earlier lease: at a rate whose tasks come faster than entries are committed, each would cost an
 * entry more, and its task a second wait for a majority.
 */
import {
  Claims,
  type Command,
  type Lease,
  type LeaseView,
  newTasksOf,
  type QueueMachine,
  type TaskContent,
} from "../queue/index.ts";

interface Attached {
  /** Tells this attachment from earlier ones of the same session. */
  readonly serial: number;
  window: number;
  /** Leases that a command on its way will end. */
  ending: number;
  /** Runs that an operator took from it, until its worker has said how much room that leaves. */
  recalled: number;
  /** It has beaten since the last of these. */
  hasBeaten: boolean;
}

/** A lease on its way: how many tasks it asks for, and how many of these were ready by then. */
interface Asked {
  readonly count: number;
  readonly waiting: number;
}

const NONE_ASKED: readonly Asked[] = [];

export class Dispatcher {
  readonly #queue: QueueMachine;
  /** Attached sessions, in two kinds, in round-robin order: who got a lease goes to the end. */
  readonly #awake = new Map<string, Attached>();
  readonly #parked = new Map<string, Attached>();
  /** In the order of the log, by session. They may outlive the connection they are for. */
  readonly #asked = new Map<string, Asked[]>();
  /** Lanes that tasks entered since the parked sessions were last looked at. */
  readonly #readied = new Set<number>();
  #attachments = 0;

  constructor(queue: QueueMachine) {
    this.#queue = queue;
  }

  attach(session: string): void {
    this.detach(session);
    const nothing = { window: 0, ending: 0, recalled: 0, hasBeaten: false };
    this.#awake.set(session, { serial: ++this.#attachments, ...nothing });
  }

  detach(session: string): void {
    this.#awake.delete(session);
    this.#parked.delete(session);
  }

  isAttached(session: string): boolean {
    return this.#find(session) !== undefined;
  }

  /** Number of the attachment that holds now; undefined = not attached. */
  attachmentOf(session: string): number | undefined {
    return this.#find(session)?.serial;
  }

  /** Leadership is gone: sessions must register with the new leader. */
  clear(): void {
    this.#awake.clear();
    this.#parked.clear();
    this.#asked.clear();
    this.#readied.clear();
  }

  setWindow(session: string, window: number): void {
    const attached = this.#find(session);
    if (attached === undefined) return;
    attached.window = window;
    attached.recalled = 0;
  }

  /**
   * An operator ended a run of this session. Its handler may hang, and hold its place all the same:
   * before the worker answers it gets nothing instead, least of all the same task.
   */
  countRecalled(session: string): void {
    const attached = this.#find(session);
    if (attached === undefined) return;
    attached.recalled++;
    attached.hasBeaten = false;
  }

  /**
   * A heartbeat came; false: the session is not attached. A worker that says no window after a
   * recall leaves it as it is; its second heartbeat was certainly sent after it heard.
   */
  beat(session: string): boolean {
    const attached = this.#find(session);
    if (attached === undefined) return false;
    if (attached.hasBeaten) attached.recalled = 0;
    attached.hasBeaten = true;
    return true;
  }

  /** A command that ends a lease of this session was taken in (+1) or answered (-1). */
  countEnding(session: string, change: 1 | -1): void {
    const attached = this.#find(session);
    if (attached === undefined) return;
    attached.ending = Math.max(0, attached.ending + change);
  }

  /** Its first lease on its way was applied; `tookAll`: it found fewer tasks than it asked for. */
  leaseApplied(session: string, tookAll: boolean): void {
    this.#asked.get(session)?.shift();
    this.#tidy(session);
    if (tookAll) this.#park(session);
  }

  /**
   * A task of this lane became ready. All parked sessions that take it will be looked at: of those
   * that are woken, one may have gone, or be given another task, before its lease is applied.
   */
  laneReady(lane: number): void {
    if (this.#parked.size > 0) this.#readied.add(lane);
  }

  /** These commands did not get into the log after all. */
  leasesDropped(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type !== "lease") continue;
      this.#asked.get(command.session)?.pop();
      this.#tidy(command.session);
    }
  }

  /** Leases to ride behind `batch`, the commands about to become one entry. */
  leases(batch: readonly Command[]): Lease[] {
    const leases: Lease[] = [];
    if (this.#awake.size + this.#parked.size === 0) return leases;
    this.#wakeParked();
    const demand = demandOf(batch);
    const claims = new Claims();
    for (const [session, attached] of this.#awake) {
      const credit = this.#credit(session, attached);
      if (credit <= 0) continue;
      const waiting = this.#waitingFor(session, credit, claims);
      const count = waiting + this.#take(demand, session, credit - waiting);
      if (count > 0) leases.push(this.#ask(session, count, waiting));
      else if (this.#queue.readyFor(session, 1) === 0) this.#park(session);
    }
    for (const [session, attached] of this.#parked) {
      if (demand.every((each) => each.count === 0)) break;
      const count = this.#take(demand, session, this.#credit(session, attached));
      if (count > 0) leases.push(this.#ask(session, count, 0));
    }
    for (const { session } of leases) {
      this.#wake(session);
      // Of the next entry's tasks it is to have none before those that were given none.
      if (this.#queue.readyFor(session, 1) === 0) this.#park(session);
    }
    return leases;
  }

  #find(session: string): Attached | undefined {
    return this.#awake.get(session) ?? this.#parked.get(session);
  }

  #park(session: string): void {
    const attached = this.#awake.get(session);
    if (attached === undefined) return;
    this.#awake.delete(session);
    this.#parked.set(session, attached);
  }

  /** It stands last among the awake afterwards. */
  #wake(session: string): void {
    const attached = this.#find(session);
    if (attached === undefined) return;
    this.detach(session);
    this.#awake.set(session, attached);
  }

  #wakeParked(): void {
    for (const lane of this.#readied) {
      if (this.#queue.laneDepth(lane) === 0) continue;
      for (const session of this.#parked.keys()) {
        if (this.#queue.matches(session, lane)) this.#wake(session);
      }
    }
    this.#readied.clear();
  }

  #credit(session: string, attached: Attached): number {
    let taken = Math.max(0, this.#queue.leaseCount(session) - attached.ending);
    for (const { count } of this.#askedFor(session)) taken += count;
    return attached.window - attached.recalled - taken;
  }

  /** Tasks that are ready and that no lease on its way to this session was asked for. */
  #waitingFor(session: string, max: number, claims: Claims): number {
    let due = 0;
    for (const { waiting } of this.#askedFor(session)) due += waiting;
    return Math.max(0, this.#queue.readyFor(session, max + due, claims) - due);
  }

  #askedFor(session: string): readonly Asked[] {
    return this.#asked.get(session) ?? NONE_ASKED;
  }

  #tidy(session: string): void {
    if (this.#asked.get(session)?.length === 0) this.#asked.delete(session);
  }

  #ask(session: string, count: number, waiting: number): Lease {
    const asked = this.#asked.get(session);
    if (asked === undefined) this.#asked.set(session, [{ count, waiting }]);
    else asked.push({ count, waiting });
    return { type: "lease", session, count };
  }

  /** How many of the batch's own submits this session can have; takes them off `demand`. */
  #take(demand: Demand[], session: string, max: number): number {
    let taken = 0;
    for (const each of demand) {
      if (taken >= max) break;
      if (each.count === 0 || !this.#queue.accepts(session, each.content)) continue;
      const share = Math.min(each.count, max - taken);
      each.count -= share;
      taken += share;
    }
    return taken;
  }
}

/** Leases of `all` that the worker does not know of: they are delivered again. */
export function unknownLeases(all: readonly LeaseView[], held: readonly number[]): LeaseView[] {
  const known = new Set(held);
  return all.filter((lease) => !known.has(lease.token));
}

interface Demand {
  /** Of the first of them; the others are of the same queue, type and labels. */
  readonly content: TaskContent;
  count: number;
}

/** How many tasks of each kind the batch itself makes ready at once. */
function demandOf(batch: readonly Command[]): Demand[] {
  const demand: Demand[] = [];
  let newest: Demand | undefined;
  for (const command of batch) {
    for (const { content } of newTasksOf(command)) {
      if (mustWait(content)) continue;
      if (newest === undefined || !isAlike(newest.content, content)) {
        newest = demand.find((each) => isAlike(each.content, content));
        if (newest === undefined) {
          newest = { content, count: 0 };
          demand.push(newest);
        }
      }
      newest.count++;
    }
  }
  return demand;
}

function isAlike(one: TaskContent, other: TaskContent): boolean {
  if (one.queue !== other.queue || one.type !== other.type) return false;
  const { requires } = other;
  return (
    one.requires.length === requires.length &&
    one.requires.every((label, at) => label === requires[at])
  );
}

/** Should its parents have ended, its own event will tell. */
function mustWait({ delayMs, runAt, dependsOn }: TaskContent): boolean {
  return delayMs > 0 || runAt > 0 || dependsOn.length > 0;
}
