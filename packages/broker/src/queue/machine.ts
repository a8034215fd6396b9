/**
 * The queue as a deterministic machine: `apply(index, batch)` gives replies and events, and the
 * same batches in the same order give the same state, replies and hash on every replica, whatever
 * was flushed, evicted or restarted in between.
 *
 * It knows no clock, disk or socket. Time is what the batches say, the disk is a RecordReader and
 * the records that `beginFlush` hands out. It never throws on a batch that the codec can read: an
 * exception from here is a bug or a damaged store, and ends the process.
 */
import type { AccessKey } from "./access-key.ts";
import { findAccessKey, listAccessKeys } from "./access-keys.ts";
import { assert } from "./assert.ts";
import type { Claims } from "./claims.ts";
import type { Batch, Command } from "./command.ts";
import { applyCommand } from "./commands/registry.ts";
import { deliver, deliverFrom } from "./deliver.ts";
import type { QueueEvent } from "./event.ts";
import { nextTimer } from "./expiry.ts";
import type { FeedReader } from "./feed.ts";
import { beginFlush, dirtyCount, flushed } from "./flush.ts";
import { graphNode } from "./graph.ts";
import { closePlainHistory, tagsSince } from "./history-index.ts";
import { skipBack, skipTo } from "./history-skip.ts";
import { checkInvariants } from "./invariants.ts";
import type { JobView } from "./job.ts";
import { findJob, listJobs } from "./jobs.ts";
import {
  BOOT_RANGES,
  errorRange,
  finishedRecordRange,
  type IndexedState,
  indexRange,
  tagRange,
} from "./keys.ts";
import { FEED_BYTES_MAX, HOT_CONTENTS_MAX, LAPSES_MAX, TIME_MAX, WAKE_MAX } from "./limits.ts";
import { listLive } from "./live-list.ts";
import { Loader } from "./load.ts";
import { type LogPage, readLogLines } from "./notes.ts";
import { couldHave, countReady } from "./offers.ts";
import { viewCounts, viewLeases, viewQueue, viewSession, viewTotals } from "./overview.ts";
import type { Flush, RecordReader, RecordWrite } from "./records.ts";
import type { Reply } from "./reply.ts";
import { replyNumber } from "./reply-number.ts";
import type { Session } from "./sessions.ts";
import { QueueState } from "./state.ts";
import type { ClusterTime, TaskId, TaskView, Token } from "./task.ts";
import { isHeld, viewTask } from "./task-view.ts";
import type {
  ColdDelivery,
  Delivery,
  GraphNode,
  HistoryFilter,
  KeyRange,
  LeaseView,
  LiveFilter,
  LivePage,
  QueueView,
  SessionView,
  StateCounts,
  Totals,
} from "./view.ts";

export class QueueMachine {
  /** What a boot reads and feeds to `load`. */
  static readonly BOOT_RANGES: readonly KeyRange[] = BOOT_RANGES;

  readonly #s: QueueState;
  #loader: Loader | undefined;

  /**
   * `hotContentsMax`: contents kept in memory after their flush; `feedBytesMax`: memory for the
   * newest events of the feed; `knownIdsMax`: see `KnownIds`. They change no reply.
   */
  constructor(
    reader: RecordReader,
    hotContentsMax = HOT_CONTENTS_MAX,
    feedBytesMax = FEED_BYTES_MAX,
    knownIdsMax?: number,
  ) {
    this.#s = new QueueState(reader, hotContentsMax, feedBytesMax, knownIdsMax);
  }

  /** Index of the last entry applied or skipped. */
  get applied(): number {
    return this.#s.applied;
  }

  get clock(): ClusterTime {
    return this.#s.clock;
  }

  /** What the cluster worked with at `applied`: 1 until an entry said otherwise. */
  get version(): number {
    return this.#s.version;
  }

  /** 16 hex digits; equal on replicas that applied the same log up to the same index. */
  get effectHash(): string {
    return this.#s.hash.toString();
  }

  /** What happened since the owner last emptied it. */
  get events(): QueueEvent[] {
    return this.#s.events;
  }

  /** What happened to tasks since this machine began, as far back as memory goes; see `feed.ts`. */
  get feed(): FeedReader {
    return this.#s.feed;
  }

  /** Applies one entry's batch; replies in the order of its commands. */
  apply(index: number, batch: Batch): Reply[] {
    const s = this.#s;
    this.#advance(index);
    s.clock = Math.max(s.clock, Math.min(batch.at, TIME_MAX));
    const replies: Reply[] = [];
    for (const command of batch.commands) {
      const reply = applyCommand(s, command);
      s.hash.word(replyNumber(reply));
      replies.push(reply);
    }
    return replies;
  }

  /** An entry without commands: of an election or of membership. */
  skip(index: number): void {
    this.#advance(index);
  }

  /** The entry that was skipped last raises the version of the cluster. */
  raise(version: number): void {
    const s = this.#s;
    assert(version > s.version, "the version of the cluster is never lowered");
    if (s.version < 3 && version >= 3) closePlainHistory(s);
    s.version = version;
    s.hash.number(version);
  }

  /** When `dueCommands` will next have something to say; Infinity = never as things stand. */
  nextDeadline(): ClusterTime {
    return Math.min(nextTimer(this.#s), this.#s.sessions.earliestDeadline);
  }

  /**
   * What the leader should propose now that these deadlines have passed; a bounded number. The same
   * again until it is applied; proposing twice does no harm.
   */
  dueCommands(now: ClusterTime): Command[] {
    const s = this.#s;
    const commands: Command[] = [];
    if (nextTimer(this.#s) <= now) commands.push({ type: "wake", max: WAKE_MAX });
    if (s.sessions.earliestDeadline > now) return commands;
    for (const { record } of s.sessions.byId.values()) {
      if (record.lapsed || record.deadline > now) continue;
      commands.push({ type: "lapse", session: record.id, renewals: record.renewals });
      if (commands.length >= LAPSES_MAX) break;
    }
    return commands;
  }

  /**
   * How many pending tasks a lease could give this session, counted up to `max`: as the limits of
   * queues and groups are now. With `claims`, only tasks that nobody has claimed yet; they are
   * claimed by this.
   */
  readyFor(session: string, max: number, claims?: Claims): number {
    const found = this.#openSession(session);
    return found === undefined ? 0 : countReady(this.#s, found, max, claims);
  }

  /** Whether this session takes tasks of this lane. */
  matches(session: string, lane: number): boolean {
    const found = this.#openSession(session);
    const wanted = this.#s.lanes.lane(lane);
    if (found === undefined || wanted === undefined) return false;
    return found.takes(wanted.queue.name, wanted);
  }

  /** Whether a new task like this could be leased to this session at once. */
  accepts(session: string, content: Parameters<typeof couldHave>[2]): boolean {
    const found = this.#openSession(session);
    return found !== undefined && couldHave(this.#s, found, content);
  }

  /** Pending tasks of a lane that may begin to run now, as the limits are. */
  laneDepth(lane: number): number {
    const found = this.#s.lanes.lane(lane);
    return found === undefined ? 0 : Math.min(found.readyCount, found.queue.room);
  }

  /** How many leases a session holds. */
  leaseCount(session: string): number {
    return this.#s.sessions.byId.get(session)?.leaseCount ?? 0;
  }

  /** The names behind a lane's local number. */
  lane(number: number): { readonly queue: string; readonly type: string } | undefined {
    const lane = this.#s.lanes.lane(number);
    return lane === undefined ? undefined : { queue: lane.queue.name, type: lane.type };
  }

  /** Records that changed since the last flush; an upper bound. */
  get dirtyCount(): number {
    return dirtyCount(this.#s);
  }

  /** Everything to be written in one atomic, synced batch; then call `flushed`. One at a time. */
  beginFlush(): Flush {
    return beginFlush(this.#s);
  }

  /** The flush under way is on disk. */
  flushed(): void {
    flushed(this.#s);
  }

  /** Feeds records of BOOT_RANGES to a new machine, in any order, in as many calls as it takes. */
  load(records: Iterable<readonly [Uint8Array, Uint8Array]>): void {
    assert(this.#s.applied === 0 || this.#loader !== undefined, "only a new machine can be loaded");
    this.#loader ??= new Loader(this.#s);
    this.#loader.load(records);
  }

  /** All records are in. */
  loaded(): void {
    for (const _ of this.settle());
  }

  /** The same in pieces of a few milliseconds; the machine is of no use before the last one. */
  *settle(): Generator<void, void> {
    if (this.#loader !== undefined) yield* this.#loader.finish();
    this.#loader = undefined;
    this.#s.feed.begin(this.#s.applied);
  }

  /** Everything about one task, finished ones included; may read from the store. */
  task(id: TaskId): TaskView | undefined {
    return viewTask(this.#s, id);
  }

  /**
   * Log lines of a task behind number `after` (0: from the oldest kept), at most `limit`; undefined
   * = there is no such task. May read from the store.
   */
  logLines(id: TaskId, after: number, limit: number): LogPage | undefined {
    return readLogLines(this.#s, id, after, limit);
  }

  /** In no particular order. */
  queues(): QueueView[] {
    return [...this.#s.lanes.queues.values()].map((queue) => viewQueue(this.#s, queue));
  }

  queue(name: string): QueueView | undefined {
    const queue = this.#s.lanes.queues.get(name);
    return queue === undefined ? undefined : viewQueue(this.#s, queue);
  }

  /** Of its own, 0 = none: for every refusal, so without a look at all its groups. */
  depthLimit(name: string): number {
    return this.#s.lanes.queues.get(name)?.settings.depthLimit ?? 0;
  }

  /** In no particular order. */
  sessions(): SessionView[] {
    return [...this.#s.sessions.byId.values()].map(viewSession);
  }

  session(id: string): SessionView | undefined {
    const session = this.#s.sessions.byId.get(id);
    return session === undefined ? undefined : viewSession(session);
  }

  /** The leases of a session, oldest grant first. */
  leases(session: string): LeaseView[] {
    const found = this.#s.sessions.byId.get(session);
    return found === undefined ? [] : viewLeases(this.#s, found);
  }

  /** Whether this token is that of a run under way, in this session. */
  holds(session: string, id: TaskId, token: Token): boolean {
    return isHeld(this.#s, session, id, token);
  }

  /** Tasks per state over all queues. */
  counts(): StateCounts {
    return viewCounts(this.#s.counts);
  }

  /** See `Totals`. */
  totals(): Totals {
    return viewTotals(this.#s);
  }

  /** What the worker needs, or the key to read it with; undefined = the lease is over. */
  delivery(slot: number, token: Token): Delivery | ColdDelivery | undefined {
    return deliver(this.#s, slot, token);
  }

  /** With the bytes that were read under a ColdDelivery's key; undefined = the lease is over. */
  deliveryFrom(contentBytes: Uint8Array, slot: number, token: Token): Delivery | undefined {
    return deliverFrom(this.#s, contentBytes, slot, token);
  }

  /** Live tasks in id order, beyond `after`; reads at most `workMax` contents. */
  listLive(
    filter: LiveFilter,
    after: TaskId | undefined,
    limit: number,
    workMax: number,
  ): LivePage {
    return listLive(this.#s, filter, after, limit, workMax);
  }

  /** A task as one of a graph of dependencies; undefined = there is nothing left of it. */
  graphNode(id: TaskId): GraphNode | undefined {
    return graphNode(this.#s, id);
  }

  /** Keys of the finished tasks beyond `after`, in id order; `decodeFinished` reads the values. */
  historyRange(after: TaskId | undefined): KeyRange {
    return finishedRecordRange(after);
  }

  /**
   * Keys of the index of dead, cancelled or expired tasks beyond `after`; the id is at their end.
   */
  finishedRange(state: IndexedState, after: TaskId | undefined): KeyRange {
    return indexRange(state, after);
  }

  /** The same of all tasks, live and finished, that have this tag: see `tagsSince`. */
  tagRange(tag: string, after: TaskId | undefined): KeyRange {
    return tagRange(tag, after);
  }

  /** The index of tags has all tasks with ids of this time or later; undefined: not yet any. */
  tagsSince(): ClusterTime | undefined {
    return tagsSince(this.#s);
  }

  /** The same of dead tasks with this error, which have died since version 3. */
  errorRange(fingerprint: string, after: TaskId | undefined): KeyRange {
    return errorRange(fingerprint, after);
  }

  /** The smallest id from `after` on that a finished task may have that passes, if there is one. */
  skipTo(after: TaskId, filter: HistoryFilter): TaskId | undefined {
    return skipTo(this.#s, after, filter);
  }

  /** The id from which on to `before` none can pass; undefined: none below can. */
  skipBack(before: TaskId | undefined, filter: HistoryFilter): TaskId | undefined {
    return skipBack(this.#s, before, filter);
  }

  /** In the order of their ids. */
  jobs(): JobView[] {
    return listJobs(this.#s);
  }

  job(id: TaskId): JobView | undefined {
    return findJob(this.#s, id);
  }

  /** In the order of their ids, those that have ended and are remembered included. */
  accessKeys(): AccessKey[] {
    return listAccessKeys(this.#s);
  }

  /** `id`: 32 hexadecimal digits. */
  accessKey(id: string): AccessKey | undefined {
    return findAccessKey(this.#s, id);
  }

  /** What the store does not have yet of a range, in key order, to be laid over a scan of it. */
  historyOverlay(range: KeyRange): RecordWrite[] {
    return this.#s.overlay.range(range);
  }

  /** Throws when the parts of the state disagree. Slow: for tests and simulation. */
  checkInvariants(): void {
    checkInvariants(this.#s);
  }

  #advance(index: number): void {
    const s = this.#s;
    assert(index > s.applied, "entries are applied once, in order");
    s.applied = index;
    s.feed.entry(index);
    s.hash.number(index);
  }

  #openSession(id: string): Session | undefined {
    const session = this.#s.sessions.byId.get(id);
    return session?.record.lapsed ? undefined : session;
  }
}
