/**
 * Lists of finished tasks, newest id first. The state store is scanned in slices without holding up
 * the event loop; what is not flushed yet is laid over each slice. Where there is an index for a
 * filter, that is read instead of the records; where there is none, the blocks of the history in
 * which nothing can match are passed over. One page examines a bounded number of records and says
 * where to go on, so a rare filter costs several pages, not one long stall.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { idAt, TIMES } from "./id-time.ts";
import type { ListPage, TaskFilter } from "./operations/broker.ts";
import { isWithin, matchesFilter, toHistoryFilter } from "./operations/task-filter.ts";
import type { KeyRange, StateStore } from "./ports.ts";
import {
  childrenRange,
  DEDUP_WINDOW_MS,
  decodeErrorGroup,
  decodeFinished,
  type ErrorGroup,
  errorGroupRange,
  glance,
  ID_AHEAD_MS_MAX,
  idOfFinishedKey,
  type QueueMachine,
  type TaskId,
  type TaskView,
} from "./queue/index.ts";

/** What is looked at in vain for one page, in rows that are glanced at: some ten milliseconds. */
const PAGE_WORK_MAX = 3_000;
/** A task that is read whole, in such rows. */
const LOOK_WORK = 10;
/** Read in one step; where most will match, the first step reads no more than is wanted. */
const SLICE_ROWS_MAX = 1_000;
const SLICE_GROWTH = 4;
/** Whole tasks read before the event loop gets its turn: a few milliseconds' worth. */
const LOOKS_IN_ONE_PIECE = 100;

/** Where the tasks that a list may hold are on record. */
interface Listed extends KeyRange {
  /** Before the id in each key. */
  readonly prefix: Uint8Array;
  /** An index of ids, without records of its own. */
  readonly isIndex: boolean;
  /** It is so large that blocks in which nothing can match are worth to be looked for. */
  readonly skips: boolean;
}

/** What one call has found so far, and what it has cost. */
interface Page {
  readonly tasks: TaskView[];
  readonly limit: number;
  work: number;
  looks: number;
  sliceRows: number;
}

type Found = readonly [Uint8Array, Uint8Array];
type Row = readonly [Uint8Array, Uint8Array | undefined];

interface Slice {
  readonly rows: readonly Row[];
  readonly isLast: boolean;
}

/** What is read; both are others after a snapshot was installed. */
export interface HistoryOwner {
  readonly replica: { readonly queue: QueueMachine };
  readonly state: StateStore;
}

export class HistoryReader {
  readonly #owner: HistoryOwner;

  constructor(owner: HistoryOwner) {
    this.#owner = owner;
  }

  get #queue(): QueueMachine {
    return this.#owner.replica.queue;
  }

  /** Finished tasks that match, below `before` in id order; `next` undefined = that was all. */
  async list(filter: TaskFilter, before: TaskId | undefined, limit: number): Promise<ListPage> {
    const ranges = this.#rangesOf(filter);
    const isRare = filter.queue !== undefined || filter.type !== undefined;
    const isScan = isRare && ranges[0]?.isIndex === false;
    const sliceRows = isScan ? SLICE_ROWS_MAX : Math.min(limit, SLICE_ROWS_MAX);
    const page: Page = { tasks: [], limit, work: 0, looks: 0, sliceRows };
    for (const range of ranges) {
      const end = before === undefined ? range.lt : withId(range.prefix, before);
      const next = await this.#fill(page, filter, range, smaller(range.lt, end));
      if (next !== undefined) return { tasks: page.tasks, next };
    }
    return { tasks: page.tasks, next: undefined };
  }

  /** What is below `lt`, as far as there is room; undefined = nothing is left of the range. */
  async #fill(
    page: Page,
    filter: TaskFilter,
    range: Listed,
    lt: Uint8Array,
  ): Promise<TaskId | undefined> {
    let end = lt;
    while (Buffer.compare(range.gte, end) < 0) {
      const below = range.skips ? this.#passOver(filter, range, end) : end;
      if (below === undefined) return undefined;
      end = below;
      const slice = await this.#slice({ gte: range.gte, lt: end }, page.sliceRows);
      page.sliceRows = Math.min(page.sliceRows * SLICE_GROWTH, SLICE_ROWS_MAX);
      for (const [key, value] of slice.rows) {
        page.work++;
        if (value !== undefined && (range.isIndex || summaryMatches(filter, key, value))) {
          if (++page.looks % LOOKS_IN_ONE_PIECE === 0) await nextTurn();
          const task = this.#queue.task(idOfFinishedKey(key));
          if (task !== undefined && task.finishedAt > 0 && matchesFilter(filter, task)) {
            page.tasks.push(task);
          } else {
            page.work += LOOK_WORK;
          }
        }
        end = key;
        if (page.tasks.length === page.limit || page.work >= PAGE_WORK_MAX) {
          return idOfFinishedKey(key);
        }
      }
      if (slice.isLast) return undefined;
    }
    return undefined;
  }

  /** Groups of errors in the order of their fingerprints. */
  async errorGroups(after: string | undefined, limit: number): Promise<readonly ErrorGroup[]> {
    const rows = await this.#first(errorGroupRange(after), limit);
    return rows.map(([, value]) => decodeErrorGroup(value));
  }

  /** Tasks that depend, or depended, on this one, in id order. */
  async children(id: TaskId, limit: number): Promise<readonly TaskId[]> {
    const rows = await this.#first(childrenRange(id), limit);
    return rows.map(([key]) => idOfFinishedKey(key));
  }

  /** Rows in key order, the unflushed ones among them. */
  async #first(range: KeyRange, limit: number): Promise<readonly Found[]> {
    const { state } = this.#owner;
    const rows = new Map<string, Row>();
    const unflushed = this.#queue.historyOverlay(range);
    // What is deleted in memory only still counts towards the number of rows that are read.
    const stored = await state.scan(range, limit + unflushed.length);
    if (state !== this.#owner.state) return this.#first(range, limit);
    for (const { key, value } of unflushed) rows.set(textOf(key), [key, value]);
    for (const row of stored) rows.set(textOf(row[0]), row);
    for (const { key, value } of this.#queue.historyOverlay(range)) {
      rows.set(textOf(key), [key, value]);
    }
    return [...rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, [key, value]]): Found[] => (value === undefined ? [] : [[key, value]]))
      .slice(0, limit);
  }

  /** Where to read, the newest ids first. */
  #rangesOf(filter: TaskFilter): readonly Listed[] {
    const { state, error, tag } = filter;
    const queue = this.#queue;
    if (error !== undefined) return [indexed(filter, queue.errorRange(error, undefined))];
    if (state === "dead" || state === "cancelled" || state === "expired") {
      return [indexed(filter, queue.finishedRange(state, undefined))];
    }
    const all = { ...within(filter, queue.historyRange(undefined)), isIndex: false, skips: true };
    const since = tag === undefined ? undefined : queue.tagsSince();
    if (tag === undefined || since === undefined) return [all];
    const tags = { ...indexed(filter, queue.tagRange(tag, undefined)), skips: true };
    // Whatever the index of tags may lack has an id from before this one.
    const oldest = idAt(since);
    const older = { ...all, lt: smaller(all.lt, withId(all.prefix, oldest)) };
    return since === 0
      ? [tags]
      : [{ ...tags, gte: larger(tags.gte, withId(tags.prefix, oldest)) }, older];
  }

  /** The end of what is left to read, without blocks at it in which nothing can match. */
  #passOver(filter: TaskFilter, range: Listed, lt: Uint8Array): Uint8Array | undefined {
    const wanted = toHistoryFilter(filter);
    const end = lt.length === range.prefix.length ? undefined : idOfFinishedKey(lt);
    const before = this.#queue.skipBack(end, wanted);
    if (before === undefined) return undefined;
    return before === end ? lt : withId(range.prefix, before);
  }

  /**
   * The newest rows of a range, the unflushed ones among them; `undefined` values are deletions.
   */
  async #slice(range: KeyRange, limit: number): Promise<Slice> {
    const { state } = this.#owner;
    // Taken before the scan as well: what is flushed meanwhile is in neither of the other two.
    const unflushed = this.#queue.historyOverlay(range);
    const stored = await state.scan({ ...range, reverse: true }, limit);
    // A snapshot came: what lies over one state does not fit the other.
    if (state !== this.#owner.state) return this.#slice(range, limit);
    const isLast = stored.length < limit;
    // What lies below the slice's last row belongs to the next slice.
    const gte = isLast ? range.gte : (stored.at(-1) as Row)[0];
    const changed = this.#queue.historyOverlay({ gte, lt: range.lt });
    if (unflushed.length === 0 && changed.length === 0) return { rows: stored, isLast };
    const rows = new Map<string, Row>();
    for (const { key, value } of unflushed) {
      if (Buffer.compare(key, gte) >= 0) rows.set(textOf(key), [key, value]);
    }
    for (const row of stored) rows.set(textOf(row[0]), row);
    for (const { key, value } of changed) rows.set(textOf(key), [key, value]);
    const newestFirst = [...rows].sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0));
    return { rows: newestFirst.map(([, row]) => row), isLast };
  }
}

/** A cheap look before the whole task is put together. */
function summaryMatches(filter: TaskFilter, key: Uint8Array, value: Uint8Array): boolean {
  const { state, queue, type, createdAt, finishedAt } = glance(value);
  if (filter.state !== undefined && filter.state !== state) return false;
  if (filter.queue !== undefined && filter.queue !== queue) return false;
  if (filter.type !== undefined && filter.type !== type) return false;
  if (!isWithin(createdAt, filter.createdFrom, filter.createdTo)) return false;
  if (!isWithin(finishedAt, filter.finishedFrom, filter.finishedTo)) return false;
  if (filter.tag === undefined) return true;
  const { tags } = decodeFinished(key, value);
  return tags === undefined || tags.includes(filter.tag);
}

/** The part of a range in which ids can be that pass: they say about when a task was submitted. */
function within({ createdFrom, createdTo }: TaskFilter, { gte: prefix, lt: end }: KeyRange) {
  const first = createdFrom === undefined ? 0 : createdFrom - DEDUP_WINDOW_MS;
  const last = createdTo === undefined ? TIMES : createdTo + ID_AHEAD_MS_MAX + 1;
  const gte = first > 0 ? withId(prefix, idAt(Math.min(first, TIMES - 1))) : prefix;
  const lt = last < TIMES ? withId(prefix, idAt(Math.max(0, last))) : end;
  return { prefix, gte, lt };
}

function indexed(filter: TaskFilter, range: KeyRange): Listed {
  return { ...within(filter, range), isIndex: true, skips: false };
}

/** The key of `id` in the range that starts with the bare prefix `prefix`. */
function withId(prefix: Uint8Array, id: TaskId): Uint8Array {
  const key = new Uint8Array(prefix.length + id.length);
  key.set(prefix);
  key.set(id, prefix.length);
  return key;
}

function smaller(one: Uint8Array, other: Uint8Array): Uint8Array {
  return Buffer.compare(one, other) < 0 ? one : other;
}

function larger(one: Uint8Array, other: Uint8Array): Uint8Array {
  return smaller(one, other) === one ? other : one;
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
