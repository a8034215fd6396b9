/**
 * The feed: what happened to tasks, newest last, for those who watch. It is this node's own memory
 * and no part of the state: it changes no reply and no hash, and begins anew, at the applied index,
 * with a restart or an installed snapshot. But what it says is the same on every node: an event's
 * position (index of its log entry, ordinal within it) means the same everywhere, so that a watcher
 * goes on at another node where it left off. A position older than what the ring still holds is
 * `compacted`: the watcher has missed events, and must begin with a look at the tasks themselves.
 *
 * Within one entry the events stand in the order in which things happened. The end of an attempt
 * comes before what becomes of the task: `failed` says `running`, and the next event of the task
 * `retrying`, `pending` or `dead`.
 */
import { FeedNames } from "./feed-names.ts";
import { bytesOfWords, FeedRing, newRingEvent } from "./feed-ring.ts";
import type { Lane } from "./lane.ts";
import { FEED_LOOKS_MAX } from "./limits.ts";
import { FREE, type LiveTable, wordAt } from "./live-table.ts";
import {
  BLOCKED,
  COMPLETED,
  PENDING,
  RETRYING,
  RUNNING,
  SCHEDULED,
  stateName,
} from "./state-number.ts";
import type { Tally } from "./tally.ts";
import type { ClusterTime, TaskId, TaskState } from "./task.ts";
import { TASK_STATES } from "./task.ts";

/** The position is the number in the ring. */
export const FEED_KINDS = [
  /** It is there; `state` says whether it waits. */
  "submitted",
  /** A run began. */
  "started",
  /** A run ended: by the worker's word, at its timeout, without a word, given back. */
  "failed",
  "timeout",
  "lapsed",
  "released",
  /** It waits for its next attempt. */
  "retrying",
  /** Its time has come, or a run ended and it is in line again. */
  "pending",
  /** Its parents have ended; `state` says whether it waits for its time. */
  "unblocked",
  /** It waits for another time than before. */
  "rescheduled",
  /** It is in another queue: `queue` is that one. */
  "moved",
  /** Started again by hand after it had ended. */
  "restarted",
  /** Its handler said how far it is. */
  "progress",
  /** It ended. */
  "completed",
  "dead",
  "cancelled",
  "expired",
  /** It is gone from the history; `state` is its last. */
  "deleted",
] as const;
export type FeedKind = (typeof FEED_KINDS)[number];

/** `ordinal` = `ENTRY_END`: behind all events of the entry. */
export interface FeedPosition {
  readonly index: number;
  readonly ordinal: number;
}

export const ENTRY_END = 0xffff_ffff;

/** Of a full ring this part goes at a time. */
const DROPPED_SHARE = 16;

export interface FeedEvent extends FeedPosition {
  readonly at: ClusterTime;
  readonly id: TaskId;
  readonly kind: FeedKind;
  readonly queue: string;
  readonly type: string;
  /** After the event; of the end of an attempt: `running`. */
  readonly state: TaskState;
  /** Attempts so far. */
  readonly attempt: number;
}

/** Undefined members do not filter. */
export interface FeedFilter {
  readonly queue?: string | undefined;
  readonly type?: string | undefined;
  readonly id?: TaskId | undefined;
  readonly kinds?: readonly FeedKind[] | undefined;
}

export type FeedPage =
  | {
      readonly kind: "events";
      readonly events: readonly FeedEvent[];
      /** Where to go on: everything up to here has been looked at. */
      readonly next: FeedPosition;
      /** There may be more at once. */
      readonly more: boolean;
    }
  /** What came after the position is gone; `oldest` is the first from which one can go on. */
  | { readonly kind: "compacted"; readonly oldest: FeedPosition };

/** What a watcher may do. */
export type FeedReader = Pick<EventFeed, "oldest" | "newest" | "read" | "tally">;

const SUBMITTED = FEED_KINDS.indexOf("submitted");
const RESTARTED = FEED_KINDS.indexOf("restarted");
const STARTED = FEED_KINDS.indexOf("started");
const UNBLOCKED = FEED_KINDS.indexOf("unblocked");
const RESCHEDULED = FEED_KINDS.indexOf("rescheduled");
const MOVED = FEED_KINDS.indexOf("moved");
const PROGRESS = FEED_KINDS.indexOf("progress");
const DELETED = FEED_KINDS.indexOf("deleted");
/** Retrying, pending and the final states, by their own names. */
const ARRIVALS = TASK_STATES.map((state) => FEED_KINDS.indexOf(state as FeedKind));

export class EventFeed {
  readonly #ring: FeedRing;
  readonly #names = new FeedNames();
  /** The one that is being written or read. */
  readonly #event = newRingEvent();
  #index = 0;
  #ordinal = 0;
  /** Position of the newest event that is gone. */
  #floor: FeedPosition = { index: 0, ordinal: ENTRY_END };

  constructor(bytesMax: number) {
    this.#ring = new FeedRing(bytesMax);
  }

  /** A machine that was loaded knows nothing of what came before. */
  begin(applied: number): void {
    this.#index = applied;
    this.#floor = { index: applied, ordinal: ENTRY_END };
  }

  /** What is written from now on comes from this entry. */
  entry(index: number): void {
    this.#index = index;
    this.#ordinal = 0;
  }

  /** The task goes from `before` (FREE: from nowhere) to the state that it has now. */
  moved(table: LiveTable, slot: number, lane: Lane, before: number, at: ClusterTime): void {
    const kind = kindOf(table, slot, before);
    this.#write(table, slot, lane, kind, at);
    const { tally } = this.#names.get(this.#event.names);
    if (kind === SUBMITTED) tally.submitted[table.priority[slot]!]!++;
    if (table.state[slot] === COMPLETED) tally.ran(at - table.startedAt[slot]!);
  }

  /** A run of it ended in a way that does not end the task; to be called before it moves on. */
  runEnded(
    table: LiveTable,
    slot: number,
    lane: Lane,
    outcome: "failed" | "timeout" | "lapsed" | "released",
    at: ClusterTime,
  ): void {
    this.#write(table, slot, lane, FEED_KINDS.indexOf(outcome), at);
    if (outcome === "failed" || outcome === "timeout") {
      this.tally.of(lane.type).ran(at - table.startedAt[slot]!);
    }
  }

  /** A run of it failed, and it is to run again: counted only, for the events show where it is. */
  retried(lane: Lane): void {
    this.tally.of(lane.type).retries++;
  }

  /** A worker's run ended badly: counted only, for no event names a worker. */
  workerFailed(worker: string, lane: Lane): void {
    this.tally.workers.raise(worker, lane.type);
  }

  /** It went to another queue, whose lane this is. */
  changedQueue(table: LiveTable, slot: number, lane: Lane, at: ClusterTime): void {
    this.#write(table, slot, lane, MOVED, at);
  }

  progressed(table: LiveTable, slot: number, lane: Lane, at: ClusterTime): void {
    this.#write(table, slot, lane, PROGRESS, at);
  }

  /** A finished task is no more. */
  removed(
    id: TaskId,
    last: { queue: string; type: string; state: number; attempt: number },
    at: ClusterTime,
  ): void {
    this.#makeRoom();
    const event = this.#event;
    for (let word = 0; word < 4; word++) event.id[word] = wordAt(id, word * 4);
    event.names = this.#names.of(last.queue, last.type, this.#ring.end);
    event.state = last.state;
    event.attempt = last.attempt;
    this.#finish(DELETED, at);
  }

  /** How often what happened, by type. */
  get tally(): Tally {
    return this.#names.tally;
  }

  /** Position from which one can go on without a gap; older ones cannot. */
  get oldest(): FeedPosition {
    return this.#floor;
  }

  /** Behind all that is there now. */
  get newest(): FeedPosition {
    return { index: this.#index, ordinal: ENTRY_END };
  }

  /**
   * Events behind `after` (undefined: none of those that are there now), at most `limit`. A
   * position that this node has not reached yet is waited for. Looks at a bounded number of events:
   * a page may be empty, and have more behind it.
   */
  read(after: FeedPosition | undefined, limit: number, filter: FeedFilter = {}): FeedPage {
    if (after === undefined || after.index > this.#index) {
      return { kind: "events", events: [], next: after ?? this.newest, more: false };
    }
    if (isBefore(after, this.#floor)) return { kind: "compacted", oldest: this.#floor };
    const ring = this.#ring;
    const event = this.#event;
    const id = filter.id === undefined ? undefined : wordsOf(filter.id);
    const events: FeedEvent[] = [];
    const from = ring.firstAfter(after.index, after.ordinal);
    const end = Math.min(ring.end, from + FEED_LOOKS_MAX);
    let at = from;
    while (at < end && events.length < limit) {
      ring.read(at++, event);
      if (this.#matches(filter, id)) events.push(this.#view());
    }
    if (at === ring.end) return { kind: "events", events, next: this.newest, more: false };
    const next = at === from ? after : { index: event.index, ordinal: event.ordinal };
    return { kind: "events", events, next, more: true };
  }

  #write(table: LiveTable, slot: number, lane: Lane, kind: number, at: ClusterTime): void {
    this.#makeRoom();
    const event = this.#event;
    for (let word = 0; word < 4; word++) event.id[word] = table.idWord(slot, word);
    event.names = this.#names.ofLane(lane, this.#ring.end);
    event.state = table.state[slot]!;
    event.attempt = table.attempt[slot]!;
    this.#names.get(event.names).tally.kinds[kind]!++;
    this.#finish(kind, at);
  }

  #finish(kind: number, at: ClusterTime): void {
    const event = this.#event;
    event.kind = kind;
    event.at = at;
    event.index = this.#index;
    event.ordinal = this.#ordinal++;
    this.#ring.write(event);
  }

  #makeRoom(): void {
    // Many at once: to say where the rest begins makes an object.
    if (this.#ring.isFull) this.#dropTo(this.#ring.first + this.#ring.capacity / DROPPED_SHARE);
    if (!this.#names.isFull) return;
    const room = (this.#names.size * 3) / 4;
    this.#names.sweep(this.#ring.first);
    // Names in use fill the table: the older half of the events goes, until enough names are free.
    while (this.#names.size > room) {
      const { first, end } = this.#ring;
      this.#dropTo(Math.ceil((first + end) / 2));
      this.#names.sweep(this.#ring.first);
    }
  }

  #dropTo(first: number): void {
    this.#ring.read(first - 1, this.#event);
    const { index, ordinal } = this.#event;
    this.#floor = { index, ordinal };
    this.#ring.drop(first);
  }

  #matches(filter: FeedFilter, id: Uint32Array | undefined): boolean {
    const event = this.#event;
    if (id !== undefined && !event.id.every((word, at) => word === id[at])) return false;
    if (filter.kinds !== undefined && !filter.kinds.includes(FEED_KINDS[event.kind]!)) return false;
    const { queue, type } = this.#names.get(event.names);
    return (filter.queue ?? queue) === queue && (filter.type ?? type) === type;
  }

  #view(): FeedEvent {
    const { index, ordinal, at, id, kind, state, attempt, names } = this.#event;
    const { queue, type } = this.#names.get(names);
    return {
      index,
      ordinal,
      at,
      id: bytesOfWords(id),
      kind: FEED_KINDS[kind]!,
      queue,
      type,
      state: stateName(state),
      attempt,
    };
  }
}

/** What an arrival in the task's present state means, given where it came from. */
function kindOf(table: LiveTable, slot: number, before: number): number {
  const state = table.state[slot]!;
  if (before === FREE) {
    const isRestart = table.requestHigh[slot] !== 0 || table.requestLow[slot] !== 0;
    return isRestart ? RESTARTED : SUBMITTED;
  }
  if (state === RUNNING) return STARTED;
  if (before === BLOCKED && (state === PENDING || state === SCHEDULED)) return UNBLOCKED;
  if (state === SCHEDULED || (state === RETRYING && before !== RUNNING)) return RESCHEDULED;
  return ARRIVALS[state]!;
}

/** Whether position `a` comes before position `b`. */
function isBefore(a: FeedPosition, b: FeedPosition): boolean {
  return a.index < b.index || (a.index === b.index && a.ordinal < b.ordinal);
}

function wordsOf(id: TaskId): Uint32Array {
  const words = new Uint32Array(4);
  for (let word = 0; word < 4; word++) words[word] = wordAt(id, word * 4);
  return words;
}
