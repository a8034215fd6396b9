/**
 * Everything the queue machine knows, in one place: live tasks and their indexes, sessions,
 * counters, what changed since the last flush, and the replicated numbers. Commands change it
 * only through `transitions.ts`, which keeps the parts in step.
 */

import type { AccessKey } from "./access-key.ts";
import { BlockSummaries } from "./block-summaries.ts";
import type { Culprit } from "./codec/parent-record.ts";
import { EffectHash } from "./effect-hash.ts";
import type { QueueEvent } from "./event.ts";
import { EventFeed } from "./feed.ts";
import { SlotHeap } from "./heap.ts";
import { HotContents } from "./hot-contents.ts";
import type { JobView } from "./job.ts";
import { KnownIds } from "./known-ids.ts";
import { Lanes } from "./lanes.ts";
import { KNOWN_IDS_MAX, TIME_MAX } from "./limits.ts";
import { LinkTable } from "./link-table.ts";
import { LISTED, LiveTable } from "./live-table.ts";
import { Overlay } from "./overlay.ts";
import type { Queue } from "./queue.ts";
import type { RecordReader } from "./records.ts";
import type { Session } from "./sessions.ts";
import { Sessions } from "./sessions.ts";
import type { ClusterTime, Token } from "./task.ts";
import { TASK_STATES } from "./task.ts";

export class QueueState {
  readonly table = new LiveTable();
  readonly knownIds: KnownIds;
  readonly hotContents: HotContents;
  readonly lanes = new Lanes(this.table);
  readonly sessions = new Sessions(this.table);
  /** Which blocked tasks wait for which others; see `links.ts`. */
  readonly links = new LinkTable(this.table);
  /** Blocked tasks whose end is decided, by slot, and the parent that failed them. */
  readonly doomed = new Map<number, Culprit>();
  /**
   * Scheduled and retrying tasks until they are due; running ones with an end of their own; blocked
   * ones that a parent has failed.
   */
  readonly timers = new SlotHeap(this.table, "timerAt");
  /** Waiting tasks that can expire, whatever they wait for; see `expiry.ts`. */
  readonly expiries = new SlotHeap(this.table, "expiresAt");
  /** Tasks per state, over all queues. */
  readonly counts = new Float64Array(TASK_STATES.length);
  readonly events: QueueEvent[] = [];
  /** What watchers hear; see `feed.ts`. */
  readonly feed: EventFeed;
  readonly overlay: Overlay;
  hash = new EffectHash(0, 0);
  /** How commands are carried out: each change of behaviour asks for it, and for nothing else. */
  version = 1;
  applied = 0;
  clock: ClusterTime = 0;
  nextOrder = 1;
  nextToken: Token = 1;
  tombstones = 0;
  /** What ended since version 3, in blocks. */
  readonly blocks = new BlockSummaries();
  /** By the text of their ids. */
  readonly jobs = new Map<string, JobView>();
  /** By their ids as people read them. Since version 4. */
  readonly accessKeys = new Map<string, AccessKey>();
  /** See `Meta`. */
  plainHistoryTo: ClusterTime = 0;
  /** Turn of the queue that was served last; see `turns.ts`. */
  queueTurn = 0;

  /** Slots whose record is out of date; a slot is in it once, however often its tasks change. */
  dirtySlots: number[] = [];
  readonly dirtyQueues = new Set<Queue>();
  readonly dirtySessions = new Set<Session>();
  /** Slots whose content the flush under way is writing. */
  flushingSlots: number[] = [];

  constructor(
    reader: RecordReader,
    hotContentsMax: number,
    feedBytesMax: number,
    knownIdsMax = KNOWN_IDS_MAX,
  ) {
    this.knownIds = new KnownIds(knownIdsMax);
    this.overlay = new Overlay(reader);
    this.feed = new EventFeed(feedBytesMax);
    this.hotContents = new HotContents(this.table, hotContentsMax);
  }

  touch(slot: number): void {
    const flags = this.table.flags[slot]!;
    if ((flags & LISTED) !== 0) return;
    this.table.flags[slot] = flags | LISTED;
    this.dirtySlots.push(slot);
  }

  /** Adds `change` tasks in `state` to the counters of a queue. */
  count(queue: Queue, state: number, change: number): void {
    queue.counts[state]! += change;
    this.counts[state]! += change;
    this.dirtyQueues.add(queue);
  }

  /** Empty = none. */
  groupName(slot: number): string {
    return this.lanes.groups.nameOf(slot);
  }

  /** An instant `delayMs` from now. */
  after(delayMs: number): ClusterTime {
    return Math.min(this.clock + delayMs, TIME_MAX);
  }
}
