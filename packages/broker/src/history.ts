/**
 * Lists of finished tasks, newest id first. The state store is scanned in slices without holding up
 * the event loop; what is not flushed yet is laid over each slice. One page examines a bounded
 * number of records and says where to go on, so a rare filter costs several pages, not one long
 * stall.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ListPage, TaskFilter } from "./operations/broker.ts";
import type { KeyRange, StateStore } from "./ports.ts";
import {
  decodeFinished,
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
    const indexed = filter.state === "dead" || filter.state === "cancelled";
    const range = indexed
      ? this.#queue.finishedRange(filter.state, undefined)
      : this.#queue.historyRange(undefined);
    let lt = before === undefined ? range.lt : withId(range.gte, before);
    const tasks: TaskView[] = [];
    let looks = 0;
    for (let examined = 0; examined < PAGE_WORK_MAX; examined += SLICE_ROWS) {
      const slice = await this.#slice({ gte: range.gte, lt });
      for (const [key, value] of slice.rows) {
        if (value !== undefined && (indexed || this.#summaryMatches(filter, key, value))) {
          if (++looks % LOOKS_IN_ONE_PIECE === 0) await nextTurn();
          const task = this.#queue.task(idOfFinishedKey(key));
          if (task !== undefined && matches(filter, task)) tasks.push(task);
        }
        lt = key;
        if (tasks.length === limit) return { tasks, next: idOfFinishedKey(key) };
      }
      if (slice.isLast) return { tasks, next: undefined };
    }
    return { tasks, next: idOfFinishedKey(lt) };
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

  /** A cheap look before the whole task is put together. */
  #summaryMatches(filter: TaskFilter, key: Uint8Array, value: Uint8Array): boolean {
    const { state, queue, type } = decodeFinished(key, value);
    if (filter.state !== undefined && filter.state !== state) return false;
    if (filter.queue !== undefined && filter.queue !== queue) return false;
    return filter.type === undefined || filter.type === type;
  }
}

function matches(filter: TaskFilter, { state, content }: TaskView): boolean {
  if (filter.state !== undefined && filter.state !== state) return false;
  if (filter.queue !== undefined && filter.queue !== content.queue) return false;
  if (filter.type !== undefined && filter.type !== content.type) return false;
  return filter.tag === undefined || content.tags.includes(filter.tag);
}

/** The key of `id` in the range that starts with the bare prefix `prefix`. */
function withId(prefix: Uint8Array, id: TaskId): Uint8Array {
  const key = new Uint8Array(prefix.length + id.length);
  key.set(prefix);
  key.set(id, prefix.length);
  return key;
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
