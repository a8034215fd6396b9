/**
 * Writes what consensus wants on disk, in order: hard states, snapshots that replace the log,
 * truncations and entries. While one write runs others queue up; the next one takes them all. The
 * log is fsynced before anything is said of it, or at intervals, and compacted between writes.
 */
import type { LogIndex, PersistBatch } from "task-queue-raft";
import type { DiskWork } from "./disk-work.ts";
import type { IdentityStore, LogStore, StateDirectory } from "./ports.ts";
import { clusterVersionOf, decodeRoster } from "./replica/index.ts";
import type { StagedSnapshot } from "./snapshots/receiver.ts";

export interface PersisterOptions {
  readonly log: LogStore;
  readonly states: StateDirectory;
  readonly identity: IdentityStore;
  /**
   * Resolves once an older binary, which does not know this version of the cluster, would refuse
   * the data directory.
   */
  readonly raiseFormat: (version: number) => Promise<void>;
  /** 0: fsync before anything is acknowledged; else: fsync at most this long after. */
  readonly walSyncIntervalMs: number;
  readonly work: DiskWork;
  /** These batches and all before them are on disk; `synced`: fsynced, not only handed over. */
  readonly onWritten: (batches: readonly PersistBatch[], synced: boolean) => void;
  /** All batches up to `seq` are fsynced by now. */
  readonly onSynced: (seq: number) => void;
  /** Resolves when nothing is being read from or written to the state that will be replaced. */
  readonly quiesce: () => Promise<void>;
  /** A snapshot has replaced log and state on disk. */
  readonly onRestored: () => void;
}

type Step =
  | { readonly kind: "restore"; readonly batch: PersistBatch }
  | {
      readonly kind: "append";
      readonly truncateFrom: LogIndex | undefined;
      readonly entries: PersistBatch["entries"][number][];
    };

export class Persister {
  readonly #options: PersisterOptions;
  #queue: PersistBatch[] = [];
  #writing = false;
  #snapshot: StagedSnapshot | undefined;
  #compacting: Promise<void> = Promise.resolve();
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing = false;
  #lastWrittenSeq = 0;
  #closed = false;

  constructor(options: PersisterOptions) {
    this.#options = options;
  }

  /** One of the next batches restores this snapshot. */
  expect(snapshot: StagedSnapshot): void {
    this.#snapshot = snapshot;
  }

  /** A snapshot is in force that is not yet the one a start would find. */
  get isRestoring(): boolean {
    return this.#snapshot !== undefined;
  }

  persist(batches: readonly PersistBatch[]): void {
    this.#queue.push(...batches);
    if (this.#writing) return;
    this.#writing = true;
    void this.#options.work.add("the log could not be written", this.#writeAll(), () => {
      this.#writing = false;
    });
  }

  syncLog(): void {
    const { log, walSyncIntervalMs, work, onSynced } = this.#options;
    // Without an interval every write is an fsync; and what came during this one has its own timer.
    if (walSyncIntervalMs === 0 || this.#syncing) return;
    this.#syncing = true;
    const seq = this.#lastWrittenSeq;
    void work.add("the log could not be fsynced", log.sync(), () => {
      this.#syncing = false;
      onSynced(seq);
      if (seq < this.#lastWrittenSeq) this.#armSync();
    });
  }

  compact(upTo: LogIndex): void {
    const { log, work } = this.#options;
    const done = work.add("the log could not be compacted", log.compact(upTo), () => {});
    this.#compacting = Promise.all([this.#compacting, done]).then(() => {});
  }

  /** No more fsyncs by time; what is being written goes on. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#syncTimer);
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batches = this.#queue;
      this.#queue = [];
      const synced = await this.#write(batches);
      this.#lastWrittenSeq = (batches.at(-1) as PersistBatch).seq;
      this.#options.onWritten(batches, synced);
      if (!synced) this.#armSync();
    }
  }

  /** Returns whether entries are fsynced, rather than only handed over. */
  async #write(batches: readonly PersistBatch[]): Promise<boolean> {
    const { log, identity, walSyncIntervalMs, raiseFormat } = this.#options;
    for (const batch of batches) {
      for (const { kind, data } of batch.entries) {
        if (kind === "membership") await raiseFormat(clusterVersionOf(decodeRoster(data)));
      }
    }
    const hardState = batches.findLast((batch) => batch.hardState !== undefined)?.hardState;
    if (hardState !== undefined) await identity.save({ hardState });
    let sync = walSyncIntervalMs === 0;
    for (const step of stepsOf(batches)) {
      if (step.kind === "restore") {
        await this.#restore(step.batch);
      } else {
        sync ||= step.entries.some((entry) => entry.kind === "membership");
        await log.append(step, sync);
      }
    }
    return sync;
  }

  /**
   * A snapshot becomes the state of this node, and its log begins behind it. All its rows are on
   * disk by now. A crash before the first step leaves the former state with the former log; between
   * the two a start finds the new state and what the log begins with, and does the second again.
   */
  async #restore({ restore }: PersistBatch): Promise<void> {
    const { states, log, quiesce, onRestored, raiseFormat } = this.#options;
    const snapshot = this.#snapshot;
    if (snapshot?.base.index !== restore?.index || snapshot?.base.term !== restore?.term) {
      throw new Error(`no snapshot of entry ${restore?.index} is at hand`);
    }
    const { staged, base, membership } = snapshot as StagedSnapshot;
    await raiseFormat(clusterVersionOf(decodeRoster(membership)));
    await quiesce();
    await this.#compacting;
    await states.install(staged, base);
    await log.reset(base);
    this.#snapshot = undefined;
    onRestored();
  }

  /** In interval mode: an fsync follows, at most the interval later. */
  #armSync(): void {
    if (this.#closed) return;
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      this.syncLog();
    }, this.#options.walSyncIntervalMs);
  }
}

/** Joins consecutive batches into as few atomic log changes as their order allows. */
function stepsOf(batches: readonly PersistBatch[]): Step[] {
  const steps: Step[] = [];
  for (const batch of batches) {
    const { restore, truncateFrom, entries } = batch;
    if (restore !== undefined) steps.push({ kind: "restore", batch });
    if (entries.length === 0 && truncateFrom === undefined) continue;
    const open = steps.at(-1);
    if (open?.kind === "append" && truncateFrom === undefined) {
      for (const entry of entries) open.entries.push(entry);
    } else {
      steps.push({ kind: "append", truncateFrom, entries: [...entries] });
    }
  }
  return steps;
}
