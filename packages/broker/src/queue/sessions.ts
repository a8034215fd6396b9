/**
 * Worker sessions and the leases they hold. The deadline belongs to the session: one heartbeat
 * keeps all its leases. The leases of a session are a list through the live table, oldest grant
 * first, so that a lapse ends them in the same order on every replica, restarted or not.
 */
import type { LaneKind } from "./lane.ts";
import { type LiveTable, NONE } from "./live-table.ts";
import type { ClusterTime } from "./task.ts";

/** What a session is, as its record has it. */
export interface SessionRecord {
  readonly id: string;
  secret: Uint8Array;
  name: string;
  queues: readonly string[];
  types: readonly string[];
  labels: readonly string[];
  concurrency: number;
  version: string;
  leaseMs: number;
  deadline: ClusterTime;
  renewals: number;
  registeredAt: ClusterTime;
  renewedAt: ClusterTime;
  /** Over, but some of its leases were extended beyond its deadline and still hold. */
  lapsed: boolean;
}

export class Session {
  readonly number: number;
  readonly record: SessionRecord;
  leaseFirst = NONE;
  leaseLast = NONE;
  leaseCount = 0;
  #queues = new Set<string>();
  #types = new Set<string>();
  #labels = new Set<string>();

  constructor(number: number, record: SessionRecord) {
    this.number = number;
    this.record = record;
    this.namesChanged();
  }

  /** After queues, types or labels of the record were replaced. */
  namesChanged(): void {
    this.#queues = new Set(this.record.queues);
    this.#types = new Set(this.record.types);
    this.#labels = new Set(this.record.labels);
  }

  takes(queue: string, { type, requires }: LaneKind): boolean {
    if (!this.#types.has(type)) return false;
    if (this.#queues.size > 0 && !this.#queues.has(queue)) return false;
    return requires.length === 0 || requires.every((label) => this.#labels.has(label));
  }
}

export class Sessions {
  readonly byId = new Map<string, Session>();
  readonly #table: LiveTable;
  readonly #byNumber: (Session | undefined)[] = [];
  readonly #free: number[] = [];
  #earliest: ClusterTime | undefined;

  constructor(table: LiveTable) {
    this.#table = table;
  }

  /** Whose lease the running task in `slot` is. */
  ofSlot(slot: number): Session {
    return this.#byNumber[this.#table.session[slot]!]!;
  }

  add(record: SessionRecord): Session {
    const session = new Session(this.#free.pop() ?? this.#byNumber.length, record);
    this.#byNumber[session.number] = session;
    this.byId.set(record.id, session);
    this.#earliest = undefined;
    return session;
  }

  remove(session: Session): void {
    this.byId.delete(session.record.id);
    this.#byNumber[session.number] = undefined;
    this.#free.push(session.number);
    this.#earliest = undefined;
  }

  /** Moves the deadline; whoever proposed a lapse before this has lost. */
  setDeadline(session: Session, deadline: ClusterTime): void {
    session.record.deadline = deadline;
    session.record.renewals++;
    this.#earliest = undefined;
  }

  setLapsed(session: Session, lapsed: boolean): void {
    session.record.lapsed = lapsed;
    this.#earliest = undefined;
  }

  /** When the first session can lapse; Infinity when there is none. Remembered between changes. */
  get earliestDeadline(): ClusterTime {
    if (this.#earliest !== undefined) return this.#earliest;
    let earliest = Number.POSITIVE_INFINITY;
    for (const { record } of this.byId.values()) {
      if (!record.lapsed && record.deadline < earliest) earliest = record.deadline;
    }
    this.#earliest = earliest;
    return earliest;
  }

  /**
   * Grants come in the order of their tokens, so the end of the list is the place for the newest.
   */
  addLease(session: Session, slot: number): void {
    const table = this.#table;
    table.session[slot] = session.number;
    table.sessionBefore[slot] = session.leaseLast;
    table.sessionNext[slot] = NONE;
    if (session.leaseLast === NONE) session.leaseFirst = slot;
    else table.sessionNext[session.leaseLast] = slot;
    session.leaseLast = slot;
    session.leaseCount++;
  }

  removeLease(slot: number): Session {
    const table = this.#table;
    const session = this.ofSlot(slot);
    const before = table.sessionBefore[slot]!;
    const next = table.sessionNext[slot]!;
    if (before === NONE) session.leaseFirst = next;
    else table.sessionNext[before] = next;
    if (next === NONE) session.leaseLast = before;
    else table.sessionBefore[next] = before;
    table.session[slot] = NONE;
    table.sessionBefore[slot] = NONE;
    table.sessionNext[slot] = NONE;
    session.leaseCount--;
    return session;
  }
}
