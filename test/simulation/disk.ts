/**
 * The disk of one node: hard state, log, and states. What is in the fields is durable, except for
 * the unsynced end of the log. Steps of one lane (log, flushes, a state being received, compaction)
 * never overtake each other. The order of an install and of a compaction stands here, and what a
 * boot does to finish one that a crash cut short.
 */
import type { Entry, EntryId, HardState, NodeId, PersistBatch } from "task-queue-raft";
import type { Identity } from "../../packages/broker/src/ports.ts";
import type { Flush } from "../../packages/broker/src/queue/index.ts";
import type { FlushMark } from "../../packages/broker/src/replica/index.ts";
import { DiskLog, needsSync } from "./disk-log.ts";
import { readRecord, readSlice } from "./disk-reads.ts";
import { DiskSteps, type Step } from "./disk-steps.ts";
import { IdentityFile } from "./identity-file.ts";
import type { DiskOptions } from "./options.ts";
import type { Random } from "./random.ts";
import type { Situations } from "./situations.ts";
import { DamageFound, emptyState, type Row, type StateImage } from "./state-image.ts";
import { demand } from "./violation.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a running disk tells. */
export interface DiskListener {
  /** The batches are written; `durable`: and fsynced. */
  written(batches: readonly PersistBatch[], durable: boolean): void;
  /** This batch and all before it are fsynced. */
  synced(seq: number): void;
  /** What was read is not what was written. */
  damaged(error: DamageFound): void;
}

/** All that a disk held at one moment. */
export interface DiskImage {
  readonly identity: IdentityFile;
  readonly log: DiskLog;
  readonly live: StateImage;
  readonly pointerBase: EntryId | undefined;
}

/** The installation that writes to the disk. */
export type DiskOwner = Pick<Identity, "incarnation"> & { readonly id: NodeId };

export class Disk {
  identity: IdentityFile;
  log = new DiskLog();
  /** What the pointer names: the next boot finds it. */
  live: StateImage;
  /** The base that a snapshot left with the pointer; a boot resets the log to it if need be. */
  #pointerBase: EntryId | undefined;
  /** The pointer cannot be read, so that nobody knows which state is the live one. */
  isPointerBad = false;
  /** Rows of a state that was never made the live one. */
  #hasStaged = false;
  readonly steps: DiskSteps;
  readonly #random: Random;
  readonly #options: DiskOptions;
  readonly #situations: Situations;
  #listener: DiskListener | undefined;
  #waiting: PersistBatch[] = [];
  #isPersisting = false;
  /** The hard state of the group under way is on the disk, the rest of the group is not. */
  #isBetween = false;
  #adopted: { readonly id: EntryId; readonly image: StateImage }[] = [];
  /** Newest batch that is written and not fsynced. */
  #unsyncedSeq: number | undefined;
  #isSyncing = false;
  #syncPlanned = false;
  #compacting: number | undefined;

  constructor(
    time: VirtualTime,
    random: Random,
    options: DiskOptions,
    situations: Situations,
    membership: Uint8Array,
    owner: DiskOwner,
  ) {
    this.identity = IdentityFile.create(owner.id, owner.incarnation, owner.incarnation);
    this.steps = new DiskSteps(time, random, options, situations);
    this.#random = random;
    this.#options = options;
    this.#situations = situations;
    this.live = emptyState(membership);
  }

  get mark(): FlushMark {
    return this.live.mark!;
  }

  get hardState(): HardState {
    return this.identity.hardState;
  }

  /** Whether a power loss would leave the entry here, in the log or within the state. */
  holds(index: number, term: number): boolean {
    return this.log.holds(index, term);
  }

  /** Another installation under the same name. */
  wipe(membership: Uint8Array, owner: DiskOwner): void {
    this.crash(false);
    const identity = IdentityFile.create(owner.id, owner.incarnation, owner.incarnation);
    this.#become({
      identity,
      log: new DiskLog(),
      live: emptyState(membership),
      pointerBase: undefined,
    });
  }

  /** What a copy of the disk would hold that is made now. */
  image(): DiskImage {
    const pointerBase = this.#pointerBase;
    const identity = this.identity.copy(undefined);
    return { identity, log: this.log.copy(), live: this.live.copy(), pointerBase };
  }

  /** It holds again what it held once; `inode`: and the files are other ones. No process runs. */
  rollBack({ identity, log, live, pointerBase }: DiskImage, inode: string | undefined): void {
    const copy = identity.copy(inode);
    this.#become({ identity: copy, log: log.copy(), live: live.copy(), pointerBase });
  }

  #become({ identity, log, live, pointerBase }: DiskImage): void {
    this.identity = identity;
    this.log = log;
    this.live = live;
    this.#pointerBase = pointerBase;
    this.#hasStaged = false;
    this.isPointerBad = false;
  }

  /** A process is about to start: finishes what a crash left undone. */
  mend(): void {
    this.identity.reopen();
    if (this.#hasStaged) this.#situations.hit("restart deletes a staged state");
    if (this.log.leftovers > 0) this.#situations.hit("restart deletes leftovers of a compaction");
    this.#hasStaged = false;
    this.log.leftovers = 0;
    const base = this.#pointerBase;
    if (base === undefined || this.log.base.index >= base.index) return;
    if (this.log.termAt(base.index) === base.term) return;
    this.#situations.hit("restart redoes the reset of the log");
    this.log.reset(base);
  }

  /** A process starts, and hears of what it does from now on. */
  open(listener: DiskListener): void {
    this.#listener = listener;
    this.identity.save({ boots: this.identity.boots + 1 });
  }

  /** Steps under way are lost or not; a loss of power takes what was not fsynced as well. */
  crash(isPowerLoss: boolean): void {
    this.steps.crash();
    if (this.#isBetween) this.#situations.hit("crash between hard state and log");
    this.#isBetween = false;
    this.#waiting = [];
    this.#isPersisting = false;
    this.#adopted = [];
    this.#unsyncedSeq = undefined;
    this.#isSyncing = false;
    this.#syncPlanned = false;
    this.#compacting = undefined;
    const lost = isPowerLoss ? this.log.losePower(this.#random.float()) : 0;
    if (lost > 0) this.#situations.hit("unsynced entries lost with the power");
    this.log.sync();
  }

  // ---- log, hard state, and snapshots that replace them ----

  persist(batches: readonly PersistBatch[]): void {
    if (batches.length === 0) return;
    this.#waiting.push(...batches);
    if (!this.#isPersisting) this.#writeGroup();
    else this.#situations.hit("write waits for the disk");
  }

  /** A state that the replica goes on with already; the batch that restores it is to come. */
  adopt(id: EntryId, image: StateImage): void {
    this.#adopted.push({ id, image });
  }

  /** A state is on its way to become the live one. */
  get isInstalling(): boolean {
    return this.#adopted.length > 0;
  }

  /** Everything that waits goes together: the newest hard state, then batch by batch. */
  #writeGroup(): void {
    const group = this.#waiting;
    this.#isPersisting = group.length > 0;
    if (group.length === 0) return;
    this.#waiting = [];
    if (group.length > 1) this.#situations.hit("writes share a sync");
    const hardState = group.findLast((batch) => batch.hardState !== undefined)?.hardState;
    const steps = this.#stepsOf(group);
    const written = () => this.#written(group);
    if (hardState === undefined) {
      this.steps.run(steps, written);
      return;
    }
    const { hardStateMs } = this.#options;
    const save = () => {
      this.#saveHardState(hardState);
      this.#isBetween = steps.length > 0;
    };
    const tear = (share: number) => this.identity.tear({ hardState }, share);
    this.steps.run([{ label: "hardState", range: hardStateMs, save, tear }, ...steps], written);
  }

  #written(group: readonly PersistBatch[]): void {
    this.#isBetween = false;
    const isStrict = this.#options.syncIntervalMs === 0 || needsSync(group);
    if (isStrict) this.log.sync();
    this.#listener!.written(group, this.log.isSynced);
    if (!this.log.isSynced) {
      this.#situations.hit("entries handed over unsynced");
      this.#unsyncedSeq = group.at(-1)!.seq;
      this.#syncLater();
    }
    this.#writeGroup();
  }

  #stepsOf(group: readonly PersistBatch[]): Step[] {
    const steps: Step[] = [];
    let open: Entry[] | undefined;
    for (const { truncateFrom, entries, restore } of group) {
      if (restore !== undefined) {
        steps.push(...this.#restoreSteps(restore));
        open = undefined;
      }
      if (entries.length === 0 && truncateFrom === undefined) continue;
      if (open === undefined || truncateFrom !== undefined) {
        open = [...entries];
        steps.push(this.#logStep(truncateFrom, open));
      } else {
        open.push(...entries);
      }
    }
    return steps;
  }

  #logStep(truncateFrom: number | undefined, entries: readonly Entry[]): Step {
    const save = () => {
      if (!this.log.append(truncateFrom, entries)) return;
      this.#situations.hit("suffix of the log truncated");
    };
    const label = truncateFrom === undefined ? "log" : "truncation";
    return { label, range: this.#options.appendMs, save };
  }

  /** Pointer, log, old state: in this order a boot can always tell what has happened. */
  #restoreSteps(base: EntryId): Step[] {
    const { hardStateMs, appendMs } = this.#options;
    return [
      { label: "pointer switch", range: hardStateMs, save: () => this.#switchPointer(base) },
      { label: "log reset", range: hardStateMs, save: () => this.#resetLog(base) },
      { label: "old state delete", range: appendMs, save: () => {} },
    ];
  }

  #switchPointer(base: EntryId): void {
    const adopted = this.#adopted.shift();
    demand(adopted?.id.index === base.index && adopted.id.term === base.term, "install", () => {
      return `the state to be installed is that of ${adopted?.id.index}, not ${base.index}`;
    });
    this.live = adopted.image;
    this.isPointerBad = false;
    this.#pointerBase = base;
    this.#hasStaged = false;
  }

  #resetLog(base: EntryId): void {
    this.log.reset(base);
    this.#checkCoverage();
  }

  #saveHardState(hardState: HardState): void {
    demand(hardState.term >= this.hardState.term, "monotone term", () => {
      return `term ${hardState.term} is written over term ${this.hardState.term}`;
    });
    const { term, vote } = this.hardState;
    const sameTerm = hardState.term === term;
    demand(!sameTerm || vote === undefined || vote === hardState.vote, "vote stability", () => {
      return `in term ${term} the vote for ${vote} becomes one for ${hardState.vote}`;
    });
    this.identity.save({ hardState });
  }

  #syncLater(): void {
    if (this.#syncPlanned) return;
    this.#syncPlanned = true;
    this.steps.after(this.#options.syncIntervalMs, () => {
      this.#syncPlanned = false;
      this.syncLog();
    });
  }

  /** Fsyncs now what was handed over. */
  syncLog(): void {
    const seq = this.#unsyncedSeq;
    if (seq === undefined || this.#isSyncing) return;
    this.#unsyncedSeq = undefined;
    this.#isSyncing = true;
    const { log } = this;
    const covered = log.unsynced;
    const save = () => log.syncFirst(Math.min(covered, log.unsynced));
    this.steps.do({ label: "log sync", range: this.#options.appendMs, save }, () => {
      this.#isSyncing = false;
      this.#listener!.synced(seq);
      if (this.#unsyncedSeq !== undefined) this.#syncLater();
    });
  }

  /** Reads what is there now, or at the end: it may be outdated, or compacted meanwhile. */
  readLog(
    from: number,
    maxBytes: number,
    done: (prev: EntryId, entries: readonly Entry[]) => void,
  ): void {
    const { log } = this;
    const early = this.#random.chance(0.5) ? readSlice(log, from, maxBytes) : undefined;
    this.steps.take(this.#options.readMs, () => {
      const slice = early ?? readSlice(log, from, maxBytes);
      if (slice instanceof DamageFound) this.#listener!.damaged(slice);
      else done(slice.prev, slice.entries);
    });
  }

  /** Coalesces with one that is under way. */
  compact(upTo: number): void {
    const isRunning = this.#compacting !== undefined;
    this.#compacting = Math.max(this.#compacting ?? 0, upTo);
    if (!isRunning) this.#compactMore();
  }

  #compactMore(): void {
    const upTo = this.#compacting;
    if (upTo === undefined || upTo <= this.log.base.index) {
      this.#compacting = undefined;
      return;
    }
    const { appendMs } = this.#options;
    const forget = () => {
      this.log.leftovers = 0;
    };
    this.steps.run(
      [
        { label: "compaction base", range: appendMs, save: () => this.#cut(upTo) },
        { label: "entry deletion", range: appendMs, save: forget },
      ],
      () => this.#compactMore(),
    );
  }

  #cut(upTo: number): void {
    this.#situations.hit("log compacted");
    this.log.compact(upTo);
    this.#checkCoverage();
  }

  /** State and log overlap: nothing between them is missing. */
  #checkCoverage(): void {
    const { applied } = this.mark;
    demand(applied >= this.log.base.index, "log and snapshot cover", () => {
      return `the log begins behind ${this.log.base.index}, the state is that of ${applied}`;
    });
  }

  // ---- states ----

  load(image: StateImage, key: string, done: (value: Uint8Array | undefined) => void): void {
    this.steps.take(this.#options.readMs, () => {
      const content = readRecord(image, key);
      if (content instanceof DamageFound) this.#listener!.damaged(content);
      else done(content);
    });
  }

  flush(image: StateImage, flush: Flush, mark: FlushMark, done: () => void): void {
    // The former state may begin its last flush while a snapshot is about to take its place.
    const isBehindLog = image !== this.live || mark.applied <= this.log.synced;
    demand(isBehindLog, "flush behind log", () => {
      return `state at ${mark.applied} is flushed, the log is durable to ${this.log.synced}`;
    });
    const save = () => image.apply(flush, mark);
    this.steps.do({ label: "flush", range: this.#options.flushMs, save }, done);
  }

  /** Makes rows of a state that is being received durable. */
  stage(image: StateImage, rows: readonly Row[], done: () => void): void {
    this.#hasStaged = true;
    const save = () => image.put(rows);
    this.steps.do({ label: "staged rows", range: this.#options.appendMs, save }, done);
  }
}
