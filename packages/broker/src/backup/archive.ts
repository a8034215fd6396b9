/**
 * The tasks of a backup, for who wants to read them without beginning a cluster. It is read and
 * checked to its end first; then its records stand in a database of their own, in a folder that the
 * caller removes, so that a backup larger than memory can be looked into.
 */
import { join } from "node:path";
import { parseTaskId, type QueueJson, type TaskJson, TqError } from "task-queue-protocol";
import { BadState, loadQueue } from "../load-queue.ts";
import { queueToJson } from "../operations/queues.ts";
import { bytesOf, taskToJson } from "../operations/task-to-json.ts";
import type { KeyRange, StateStore } from "../ports.ts";
import {
  CodecError,
  decodeFinished,
  type QueueMachine,
  successor,
  type TaskState,
  type TaskView,
} from "../queue/index.ts";
import { BOOT_RANGES, idOfTaskKey, LIVE } from "../queue/keys.ts";
import { SnapshotDamage } from "../snapshots/frame-reader.ts";
import { type LevelStagedState, stageState } from "../storage/staged-state.ts";
import { readBackupFile } from "./file.ts";
import type { BackupHeader } from "./format.ts";
import { ARCHIVE_PAGE_BYTES, ARCHIVE_PAGE_TASKS } from "./limits.ts";
import { verifyBackup } from "./verify.ts";

export interface ArchiveOptions {
  readonly key: Uint8Array | undefined;
  /** Empty, and there. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Told how many records are in place. */
  readonly onRecords?: (done: number, all: number) => void;
}

export interface ArchiveFilter {
  readonly queue: string | undefined;
  readonly state: TaskState | undefined;
}

const LIVE_RANGE = BOOT_RANGES.find(({ gte }) => gte[0] === LIVE) as KeyRange;

export class Archive {
  readonly header: BackupHeader;
  readonly #staged: LevelStagedState;
  readonly #store: StateStore;
  readonly #machine: QueueMachine;
  readonly #signal: AbortSignal;

  private constructor(
    header: BackupHeader,
    staged: LevelStagedState,
    store: StateStore,
    machine: QueueMachine,
    signal: AbortSignal,
  ) {
    this.header = header;
    this.#staged = staged;
    this.#store = store;
    this.#machine = machine;
    this.#signal = signal;
  }

  /** Throws `SnapshotDamage`, `KeyFileError`, what the disk throws, and the signal's reason. */
  static async open(path: string, options: ArchiveOptions): Promise<Archive> {
    const { key, folder, signal } = options;
    const { header, records, membership } = await verifyBackup(path, key);
    signal.throwIfAborted();
    const staged = await stageState(join(folder, "state"), 1);
    try {
      await fill(staged, path, records, options);
      const last = { index: header.index, term: header.term };
      const store = await staged.finish({ applied: last.index, logDurable: last, membership });
      const machine = await damageTold(() => loadQueue(store));
      return new Archive(header, staged, store, machine, signal);
    } catch (error) {
      await staged.discard();
      throw error;
    }
  }

  /** In the order of their names. */
  queues(): QueueJson[] {
    const { clock } = this.#machine;
    const views = this.#machine.queues().sort((a, b) => (a.name < b.name ? -1 : 1));
    return views.map((view) => queueToJson(view, clock));
  }

  /** With its payload. Throws `not_found`. */
  get(id: string): TaskJson {
    const bytes = parseTaskId(id);
    const view = bytes === undefined ? undefined : this.#machine.task(bytes);
    if (view === undefined) throw new TqError("not_found", `there is no task ${id}`);
    return taskToJson(view, { payload: true });
  }

  /** Those that have not ended first, in the order of their ids; in pieces that fit in memory. */
  async *tasks(filter: ArchiveFilter): AsyncGenerator<readonly TaskJson[]> {
    let page: TaskJson[] = [];
    let bytes = 0;
    for await (const view of this.#views(filter)) {
      page.push(taskToJson(view, { payload: true }));
      bytes += bytesOf(view);
      if (page.length < ARCHIVE_PAGE_TASKS && bytes < ARCHIVE_PAGE_BYTES) continue;
      yield page;
      page = [];
      bytes = 0;
    }
    if (page.length > 0) yield page;
  }

  async close(): Promise<void> {
    await this.#staged.discard();
  }

  async *#views({ queue, state }: ArchiveFilter): AsyncGenerator<TaskView> {
    const isWanted = (task: { readonly queue: string; readonly state: TaskState }): boolean => {
      return (queue ?? task.queue) === task.queue && (state ?? task.state) === task.state;
    };
    for await (const [key] of this.#rows(LIVE_RANGE)) {
      const view = this.#viewOf(key);
      if (isWanted(view)) yield view;
    }
    for await (const [key, value] of this.#rows(this.#machine.historyRange(undefined))) {
      // What is not wanted is not put together from all its records.
      if (isWanted(decodeFinished(key, value))) yield this.#viewOf(key);
    }
  }

  #viewOf(key: Uint8Array): TaskView {
    const view = this.#machine.task(idOfTaskKey(key));
    if (view === undefined) throw new SnapshotDamage("a task of it cannot be found");
    return view;
  }

  async *#rows(range: KeyRange) {
    let { gte } = range;
    for (;;) {
      this.#signal.throwIfAborted();
      const rows = await this.#store.scan({ gte, lt: range.lt }, ARCHIVE_PAGE_TASKS);
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < ARCHIVE_PAGE_TASKS) return;
      gte = successor(last[0]);
    }
  }
}

async function fill(
  staged: LevelStagedState,
  path: string,
  records: number,
  { key, signal, onRecords }: ArchiveOptions,
): Promise<void> {
  let done = 0;
  for await (const part of readBackupFile(path, key)) {
    signal.throwIfAborted();
    if (part.kind !== "rows") continue;
    await staged.write(part.rows);
    done += part.rows.length;
    onRecords?.(done, records);
  }
}

/** Sound bytes that are no state all the same are found only by loading them. */
async function damageTold<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof BadState || error instanceof CodecError)) throw error;
    throw new SnapshotDamage(`its records: ${error.message}`, { cause: error });
  }
}
