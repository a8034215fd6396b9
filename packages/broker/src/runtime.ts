/**
 * The one event loop around a replica. Inputs of one turn of Node's loop are collected by the
 * replica; then its outputs are performed here, in the order that safety demands. Every result that
 * has to be waited for comes back as an input, so there is no interleaving to reason about.
 *
 * The runtime decides nothing. The first storage error ends the process: after it nothing can be
 * promised any more.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { LogRead, NodeId, PersistBatch } from "task-queue-raft";
import { checkMembers } from "./check-members.ts";
import { type Clock, SYSTEM_CLOCK, type Timer } from "./clock.ts";
import { DiskWork } from "./disk-work.ts";
import { DivergedState } from "./exit-status.ts";
import type { SessionChannel } from "./operations/broker.ts";
import { Persister } from "./persister.ts";
import type { Bus, IdentityStore, LogStore, StateDirectory, StateStore } from "./ports.ts";
import {
  type ChangeOutcome,
  type ContentLoad,
  type Outcome,
  type Outputs,
  type Replica,
  type SessionOutput,
  TooNew,
} from "./replica/index.ts";
import { SnapshotReceiver, type StagedSnapshot } from "./snapshots/receiver.ts";
import { type OpenSnapshot, SnapshotSource } from "./snapshots/source.ts";
import type { SnapshotStats } from "./snapshots/stats.ts";

export type OutcomeWaiter = (outcome: Outcome) => void;
export type ReadWaiter = (applied: number | undefined) => void;
export type ChangeWaiter = (outcome: ChangeOutcome) => void;
export type NodeReplica = Replica<OutcomeWaiter, ReadWaiter, ChangeWaiter>;
type NodeOutputs = Outputs<OutcomeWaiter, ReadWaiter, ChangeWaiter>;

export interface RuntimeOptions {
  readonly replica: NodeReplica;
  readonly clusterId: string;
  readonly log: LogStore;
  readonly states: StateDirectory;
  readonly identity: IdentityStore;
  readonly bus: Bus;
  /** See `PersisterOptions`. */
  readonly raiseFormat: (version: number) => Promise<void>;
  /** 0: fsync before anything is acknowledged; else: fsync at most this long after. */
  readonly walSyncIntervalMs: number;
  readonly logger: RuntimeLogger;
  /** A flush of the state is on disk. */
  readonly onFlushed?: () => void;
  /** By default the system's. */
  readonly clock?: Clock;
  /** Must not return: called with the first fault after which no promise can be kept. */
  readonly onFatal: (what: string, error: unknown) => void;
  /** This node has lost what it had vouched for: it has halted, and is to give itself up. */
  readonly onLost: (reason: string) => void;
  /** This node is no longer a member: the process is to stop. */
  readonly onRemoved: () => void;
}

export interface RuntimeLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export class Runtime {
  readonly replica: NodeReplica;
  readonly channels = new Map<string, SessionChannel>();
  readonly #options: RuntimeOptions;
  readonly #clock: Clock;
  readonly #finishedListeners: ((id: Uint8Array) => void)[] = [];
  readonly #installedListeners: (() => void)[] = [];
  readonly #leadershipListeners = new Set<() => void>();
  readonly #appliedListeners = new Set<() => void>();
  /** The newest entry that those who listen for it know of. */
  #toldApplied = 0;
  readonly #work = new DiskWork((what, error) => this.fail(what, error));
  readonly #persister: Persister;
  readonly #receiver: SnapshotReceiver;
  readonly #source: SnapshotSource;
  /** The state that the replica works with; after an install, some time before a start finds it. */
  #state: StateStore;
  #flushing: Promise<void> = Promise.resolve();
  #turnScheduled = false;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #removed = false;
  #closed = false;
  #failed = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.replica = options.replica;
    this.#state = options.states.live;
    const { clusterId, log, states, bus, logger } = options;
    const now = () => this.#clock.now();
    const pause = (ms: number) => sleep(ms);
    const onFault = (what: string, error: unknown) => this.fail(what, error);
    this.#source = new SnapshotSource({ clusterId, states, log, now, pause, logger, onFault });
    const fetch = (from: NodeId, request: Uint8Array) => bus.fetchSnapshot(from, request);
    const install = (snapshot: StagedSnapshot) => this.#install(snapshot);
    const check = (membership: Uint8Array) => this.#checkMembers(membership);
    const from = { clusterId, states, fetch, checkMembers: check };
    const receiving = { ...from, now, pause, logger, install, onFault };
    this.#receiver = new SnapshotReceiver(receiving);
    this.#persister = new Persister({
      ...options,
      work: this.#work,
      onWritten: (batches, synced) => this.#written(batches, synced),
      onSynced: (seq) => this.input((replica) => replica.persisted(seq, true)),
      quiesce: async () => {
        await this.#flushing;
        await this.#source.shut("this node is receiving a snapshot itself");
      },
      onRestored: () => this.#source.open(),
    });
  }

  start(): void {
    this.#scheduleTurn();
  }

  /** Lets `act` put inputs into the replica; the turn that follows takes them all. */
  input(act: (replica: NodeReplica) => void): void {
    if (this.#closed) return;
    try {
      if (!this.#turnScheduled) {
        this.replica.advance(this.#clock.now(), this.#clock.wallMs());
        this.#scheduleTurn();
      }
      act(this.replica);
    } catch (error) {
      // Whoever called might answer it to a client and go on.
      this.fail("broken invariant", error);
    }
  }

  /** The first fault is the last: nothing is taken in any more, and the process ends. */
  fail(what: string, error: unknown): void {
    this.#closed = true;
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onFatal(error instanceof TooNew ? "this node cannot go on" : what, error);
  }

  /** From now on it says and writes nothing more; `close` is still to be called. */
  halt(): void {
    this.#closed = true;
  }

  /** True once it takes part no more: its end was asked for, or a fault has ended it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The records behind `replica.queue`; to be read anew at each use, as that one. */
  get state(): StateStore {
    return this.#state;
  }

  get isReceivingSnapshot(): boolean {
    return this.#receiver.isBusy || this.#persister.isRestoring;
  }

  get snapshotStats(): SnapshotStats {
    return { sent: this.#source.sent, ...this.#receiver.stats };
  }

  /** See `BusListener.onSnapshotRequest`. */
  serveSnapshot(from: NodeId, request: Uint8Array, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#source.serve(from, request, signal);
  }

  /** See `SnapshotSource.take`. */
  takeSnapshot(reader: string, minIndex: number, signal: AbortSignal): Promise<OpenSnapshot> {
    return this.#source.take(reader, minIndex, signal);
  }

  /** `listener` is called after each change of role, term or known leader, until unsubscribed. */
  onLeadership(listener: () => void): () => void {
    this.#leadershipListeners.add(listener);
    return () => this.#leadershipListeners.delete(listener);
  }

  /** `listener` hears the id of each task that reaches a final state, on any node. */
  onFinished(listener: (id: Uint8Array) => void): void {
    this.#finishedListeners.push(listener);
  }

  /** `listener` is called after each turn that applied something here, until unsubscribed. */
  onApplied(listener: () => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  /** `listener` is called when the state of a snapshot has replaced the one before as a whole. */
  onInstalled(listener: () => void): void {
    this.#installedListeners.push(listener);
  }

  /** Stops taking part; resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#persister.close();
    await this.#receiver.close();
    await this.#source.close();
    await this.#work.ended();
    if (this.#options.walSyncIntervalMs > 0 && !this.#failed) await this.#options.log.sync();
  }

  #scheduleTurn(): void {
    this.#turnScheduled = true;
    setImmediate(() => {
      try {
        this.#turn();
      } catch (error) {
        this.fail("broken invariant", error);
      }
    });
  }

  #turn(): void {
    this.#turnScheduled = false;
    if (this.#closed) return;
    this.replica.advance(this.#clock.now(), this.#clock.wallMs());
    this.#perform(this.replica.turn());
    this.#armTimer();
  }

  #armTimer(): void {
    const at = this.replica.nextDeadline();
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    const delayMs = Math.max(0, Math.ceil(at - this.#clock.now()));
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      if (this.#closed) return;
      // What it was set for may have been done by a turn that came before.
      if (this.replica.nextDeadline() > this.#clock.now()) this.#armTimer();
      else this.input(() => {});
    });
  }

  #perform(out: NodeOutputs): void {
    const { bus, logger } = this.#options;
    if (out.lost !== undefined) {
      this.halt();
      this.#options.onLost(
        `the leader knows that entry ${out.lost} was on disk here, and it is not`,
      );
      return;
    }
    // A worker that registers anew by one of the answers below has a new channel then, and hears
    // from its attachment all that it must know: none of this turn's words are for that channel.
    const told = [...out.sessions.values()].map((output) => {
      return { output, channel: this.channels.get(output.session) };
    });
    // First what needs no disk: followers write while we write.
    if (out.roster !== undefined) bus.setRoster(out.roster);
    for (const envelope of out.envelopes) bus.send(envelope);
    if (out.diverged !== undefined) {
      // What was just sent tells the others which state they are to match, and must have gone.
      this.#closed = true;
      const error = new DivergedState(out.diverged);
      setImmediate(() => this.fail("this node cannot go on", error));
      return;
    }
    for (const { to, forwards } of out.forwards) bus.forward(to, forwards);
    for (const { to, replies } of out.forwardReplies) bus.forwardReply(to, replies);
    if (out.persists.length > 0) this.#persister.persist(out.persists);
    // Then what is committed: answers, deliveries.
    if (out.leadership !== undefined) this.#leadershipChanged(out.leadership);
    for (const { waiter, outcome } of out.outcomes) waiter(outcome);
    for (const { output, channel } of told) {
      if (channel !== undefined && this.channels.get(output.session) === channel) {
        this.#tell(channel, output);
      }
    }
    for (const { waiter, applied } of out.reads) waiter(applied);
    for (const { waiter, outcome } of out.changes) waiter(outcome);
    for (const id of out.finished) for (const listener of this.#finishedListeners) listener(id);
    this.#tellApplied();
    // Last what can wait.
    this.#performLater(out);
    for (const { level, text } of out.notes) logger[level]({}, text);
    if (out.removed) this.#leave();
  }

  #tellApplied(): void {
    const { applied } = this.replica.queue;
    if (applied === this.#toldApplied) return;
    this.#toldApplied = applied;
    for (const listener of this.#appliedListeners) listener();
  }

  #performLater(out: NodeOutputs): void {
    for (const load of out.contentLoads) this.#loadContent(load);
    for (const read of out.logReads) this.#readLog(read);
    if (out.flush !== undefined) this.#flush(out.flush);
    if (out.syncLog) this.#persister.syncLog();
    if (out.compact !== undefined) this.#persister.compact(out.compact);
    // What was received last is about to be installed; the next fetch would drop it from the disk.
    if (out.snapshotFetch !== undefined && !this.#persister.isRestoring) {
      this.#receiver.want(out.snapshotFetch);
    }
  }

  #tell(channel: SessionChannel, output: SessionOutput): void {
    const { session, deliveries, lost, renewed, ended } = output;
    if (lost.length > 0) channel.leaseLost(lost);
    if (deliveries.length > 0) channel.deliver(deliveries);
    if (renewed) channel.renewed();
    if (!ended) return;
    this.channels.delete(session);
    channel.ended();
  }

  #leadershipChanged({ role, term, leader }: NonNullable<NodeOutputs["leadership"]>): void {
    this.#options.logger.info({ role, term, leader: leader ?? "none" }, `now ${role}`);
    const member = this.replica.members.find(({ id }) => id === leader);
    for (const channel of this.channels.values()) channel.leaderChanged(member?.address);
    this.channels.clear();
    for (const listener of [...this.#leadershipListeners]) listener();
  }

  #leave(): void {
    if (this.#removed) return;
    this.#removed = true;
    this.#options.onRemoved();
  }

  // ---- disk ----

  #written(batches: readonly PersistBatch[], synced: boolean): void {
    const { seq } = batches.at(-1) as PersistBatch;
    this.input((replica) => replica.persisted(seq, synced));
    for (const batch of batches) {
      for (const message of batch.messages) {
        this.#options.bus.send(this.replica.envelope(message));
      }
    }
  }

  /** True: from now on the replica works with the state of the snapshot, wherever that is. */
  #install(snapshot: StagedSnapshot): boolean {
    const { base, membership, queue, store } = snapshot;
    let installed = false;
    this.input((replica) => {
      const { index, term } = base;
      installed = replica.install({ id: { index, term }, membership, queue });
      if (!installed) return;
      this.#state = store;
      this.#persister.expect(snapshot);
      for (const listener of this.#installedListeners) listener();
    });
    return installed;
  }

  /** A source whose members make no sense may be damaged; a cluster that is too new stays so. */
  #checkMembers(membership: Uint8Array): void {
    try {
      checkMembers(membership);
    } catch (error) {
      if (error instanceof TooNew) this.fail("a snapshot cannot be received", error);
      throw error;
    }
  }

  #flush({ flush, mark }: NonNullable<NodeOutputs["flush"]>): void {
    const state = this.#state;
    const written = state.flush(flush, mark);
    this.#flushing = this.#work.add("the state could not be written", written, () => {
      this.#options.onFlushed?.();
      // Of a state that a snapshot has replaced meanwhile: its successor knows nothing of it.
      if (state === this.#state) this.input((replica) => replica.flushed());
    });
  }

  #loadContent(load: ContentLoad): void {
    const loaded = this.#state.load(load.key);
    void this.#work.add("a payload could not be read", loaded, (content) => {
      this.input((replica) => replica.contentLoaded(load, content));
    });
  }

  #readLog({ to, from, maxBytes }: LogRead): void {
    const read = this.#options.log.read(from, maxBytes);
    void this.#work.add("the log could not be read", read, ({ prev, entries }) => {
      this.input((replica) => replica.logRead(to, prev, entries));
    });
  }
}
