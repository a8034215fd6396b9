/**
 * Lists of finished tasks, newest id first. The state store is scanned in slices without holding up
 * the event loop; what is not flushed yet is laid over each slice. Where there is an index for a
 * filter, that is read instead of the records; where there is none, the blocks of the history in
 * which nothing can match are passed over. One page examines a bounded number of records and says
 * where to go on, so a rare filter costs several pages, not one long stall.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { idAt, idBefore, TIMES } from "./history-skip.ts";
import type { ListPage, TaskFilter } from "./operations/broker.ts";
import { isWithin, matchesFilter, toHistoryFilter } from "./operations/task-filter.ts";
import type { KeyRange, StateStore } from "./ports.ts";
import {
  DEDUP_WINDOW_MS,
  decodeErrorGroup,
  decodeFinished,
  type ErrorGroup,
  ID_AHEAD_MS_MAX,
  idOfFinishedKey,
  type QueueMachine,
  type TaskId,
  type TaskView,
} from "./queue/index.ts";

/** Records examined for one page. */
const PAGE_WORK_MAX = 10_000;
const SLICE_ROWS = 1_000;
/** Whole tasks read before the event loop gets its turn: a few milliseconds' worth. */
const LOOKS_IN_ONE_PIECE = 100;

/** Where the tasks that a list may hold are on record. */
interface Listed extends KeyRange {
  /** Before the id in each key. */
  readonly prefix: Uint8Array;
  /** An index of ids, without records of its own. */
  readonly isIndex: boolean;
}

type Row = readonly [Uint8Array, Uint8Array | undefined];

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
    const range = this.#rangeOf(filter);
    let lt = before === undefined ? range.lt : smaller(range.lt, withId(range.prefix, before));
    const tasks: TaskView[] = [];
    let looks = 0;
    for (let examined = 0; examined < PAGE_WORK_MAX; examined += SLICE_ROWS) {
      const below = range.isIndex ? lt : this.#passOver(filter, range, lt);
      if (below === undefined) return { tasks, next: undefined };
      lt = below;
      const slice = await this.#slice({ gte: range.gte, lt });
      for (const [key, value] of slice.rows) {
        if (value !== undefined && (range.isIndex || summaryMatches(filter, key, value))) {
          if (++looks % LOOKS_IN_ONE_PIECE === 0) await nextTurn();
          const task = this.#queue.task(idOfFinishedKey(key));
          if (task !== undefined && task.finishedAt > 0 && matchesFilter(filter, task)) {
            tasks.push(task);
          }
        }
        lt = key;
        if (tasks.length === limit) return { tasks, next: idOfFinishedKey(key) };
      }
      if (slice.isLast) return { tasks, next: undefined };
    }
    return { tasks, next: idOfFinishedKey(lt) };
  }

  /** Groups of errors in the order of their fingerprints. */
  async errorGroups(after: string | undefined, limit: number): Promise<readonly ErrorGroup[]> {
    const { state } = this.#owner;
    const range = this.#queue.errorGroupRange(after);
    const rows = new Map<string, Row>();
    const unflushed = this.#queue.historyOverlay(range);
    // What is deleted in memory only still counts towards the number of rows that are read.
    const stored = await state.scan(range, limit + unflushed.length);
    if (state !== this.#owner.state) return this.errorGroups(after, limit);
    for (const { key, value } of unflushed) rows.set(textOf(key), [key, value]);
    for (const row of stored) rows.set(textOf(row[0]), row);
    for (const { key, value } of this.#queue.historyOverlay(range)) {
      rows.set(textOf(key), [key, value]);
    }
    return [...rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, [, value]]) => (value === undefined ? [] : [decodeErrorGroup(value)]))
      .slice(0, limit);
  }

  /** An id says about when its task was submitted: what is outside of it need not be read. */
  #rangeOf(filter: TaskFilter): Listed {
    const { createdFrom, createdTo } = filter;
    const { gte: prefix, lt: end } = this.#indexOf(filter) ?? this.#queue.historyRange(undefined);
    const first = createdFrom === undefined ? 0 : createdFrom - DEDUP_WINDOW_MS;
    const last = createdTo === undefined ? TIMES : createdTo + ID_AHEAD_MS_MAX + 1;
    const gte = first > 0 ? withId(prefix, idAt(Math.min(first, TIMES - 1))) : prefix;
    const lt = last < TIMES ? withId(prefix, idAt(Math.max(0, last))) : end;
    return { prefix, gte, lt, isIndex: this.#indexOf(filter) !== undefined };
  }

  #indexOf({ state, error }: TaskFilter): KeyRange | undefined {
    if (error !== undefined) return this.#queue.errorRange(error, undefined);
    const isIndexed = state === "dead" || state === "cancelled" || state === "expired";
    return isIndexed ? this.#queue.finishedRange(state, undefined) : undefined;
  }

  /** The end of what is left to read, without blocks at it in which nothing can match. */
  #passOver(filter: TaskFilter, range: Listed, lt: Uint8Array): Uint8Array | undefined {
    const wanted = toHistoryFilter(filter);
    const end = lt.length === range.prefix.length ? undefined : idOfFinishedKey(lt);
    const before = idBefore(end, (id) => this.#queue.skipTo(id, wanted));
    if (before === undefined) return undefined;
    return before === end ? lt : withId(range.prefix, before);
  }

  /**
   * The newest rows of a range, the unflushed ones among them; `undefined` values are deletions.
   */
  async #slice(range: KeyRange): Promise<{ readonly rows: Row[]; readonly isLast: boolean }> {
    const { state } = this.#owner;
    // Taken before the scan as well: what is flushed meanwhile is in neither of the other two.
    const unflushed = this.#queue.historyOverlay(range);
    const stored = await state.scan({ ...range, reverse: true }, SLICE_ROWS);
    // A snapshot came: what lies over one state does not fit the other.
    if (state !== this.#owner.state) return this.#slice(range);
    const isLast = stored.length < SLICE_ROWS;
    // What lies below the slice's last row belongs to the next slice.
    const gte = isLast ? range.gte : (stored.at(-1) as Row)[0];
    const rows = new Map<string, Row>();
    for (const { key, value } of unflushed) {
      if (Buffer.compare(key, gte) >= 0) rows.set(textOf(key), [key, value]);
    }
    for (const row of stored) rows.set(textOf(row[0]), row);
    for (const { key, value } of this.#queue.historyOverlay({ gte, lt: range.lt })) {
      rows.set(textOf(key), [key, value]);
    }
    const newestFirst = [...rows].sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0));
    return { rows: newestFirst.map(([, row]) => row), isLast };
  }
}

/** A cheap look before the whole task is put together. */
function summaryMatches(filter: TaskFilter, key: Uint8Array, value: Uint8Array): boolean {
  const { state, queue, type, tags, createdAt, finishedAt } = decodeFinished(key, value);
  if (filter.state !== undefined && filter.state !== state) return false;
  if (filter.queue !== undefined && filter.queue !== queue) return false;
  if (filter.type !== undefined && filter.type !== type) return false;
  if (!isWithin(createdAt, filter.createdFrom, filter.createdTo)) return false;
  if (!isWithin(finishedAt, filter.finishedFrom, filter.finishedTo)) return false;
  return filter.tag === undefined || tags === undefined || tags.includes(filter.tag);
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

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
