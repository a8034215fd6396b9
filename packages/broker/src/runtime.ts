/**
 * The one event loop around a replica. Inputs of one turn of Node's loop are collected by the
 * replica; then its outputs are performed here, in the order that safety demands. Every result that
 * has to be waited for comes back as an input, so there is no interleaving to reason about.
 *
 * The runtime decides nothing. The first storage error ends the process: after it nothing can be
 * promised any more.
 */
import type { LogRead, PersistBatch } from "task-queue-raft";
import type { SessionChannel } from "./operations/broker.ts";
import type { Bus, IdentityStore, LogStore, StateStore } from "./ports.ts";
import type { ContentLoad, Outcome, Outputs, Replica, SessionOutput } from "./replica/index.ts";

export type OutcomeWaiter = (outcome: Outcome) => void;
export type ReadWaiter = (applied: number | undefined) => void;
export type NodeReplica = Replica<OutcomeWaiter, ReadWaiter>;
type NodeOutputs = Outputs<OutcomeWaiter, ReadWaiter>;

export interface RuntimeOptions {
  readonly replica: NodeReplica;
  readonly log: LogStore;
  readonly state: StateStore;
  readonly identity: IdentityStore;
  readonly bus: Bus;
  /** 0: fsync before anything is acknowledged; else: fsync at most this long after. */
  readonly walSyncIntervalMs: number;
  readonly logger: RuntimeLogger;
  /** Must not return: called with the first fault after which no promise can be kept. */
  readonly onFatal: (what: string, error: unknown) => void;
}

export interface RuntimeLogger {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** setTimeout fires at once beyond this. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Runtime {
  readonly replica: NodeReplica;
  readonly channels = new Map<string, SessionChannel>();
  readonly #options: RuntimeOptions;
  readonly #finishedListeners: ((id: Uint8Array) => void)[] = [];
  #turnScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #persistQueue: PersistBatch[] = [];
  #persisting = false;
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing = false;
  #lastWrittenSeq = 0;
  /** Work of the disk that has not ended. */
  readonly #diskWork = new Set<Promise<void>>();
  #closed = false;
  #failed = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.replica = options.replica;
  }

  start(): void {
    this.#scheduleTurn();
  }

  /** Lets `act` put inputs into the replica; the turn that follows takes them all. */
  input(act: (replica: NodeReplica) => void): void {
    if (this.#closed) return;
    try {
      if (!this.#turnScheduled) {
        this.replica.advance(performance.now(), Date.now());
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
    this.#options.onFatal(what, error);
  }

  /** True once it takes part no more: its end was asked for, or a fault has ended it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** `listener` hears the id of each task that reaches a final state, on any node. */
  onFinished(listener: (id: Uint8Array) => void): void {
    this.#finishedListeners.push(listener);
  }

  /** Stops taking part; resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#syncTimer);
    while (this.#diskWork.size > 0) await Promise.all(this.#diskWork);
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
    this.replica.advance(performance.now(), Date.now());
    this.#perform(this.replica.turn());
    this.#armTimer();
  }

  #armTimer(): void {
    const at = this.replica.nextDeadline();
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const delay = Math.min(Math.max(0, Math.ceil(at - performance.now())), TIMER_MS_MAX);
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.input(() => {});
    }, delay);
  }

  #perform(out: NodeOutputs): void {
    const { bus } = this.#options;
    // A worker that registers anew by one of the answers below has a new channel then, and hears
    // from its attachment all that it must know: none of this turn's words are for that channel.
    const told = [...out.sessions.values()].map((output) => {
      return { output, channel: this.channels.get(output.session) };
    });
    // First what needs no disk: followers write while we write.
    for (const envelope of out.envelopes) bus.send(envelope);
    for (const { to, forwards } of out.forwards) bus.forward(to, forwards);
    for (const { to, replies } of out.forwardReplies) bus.forwardReply(to, replies);
    if (out.persists.length > 0) this.#persist(out.persists);
    // Then what is committed: answers, deliveries.
    if (out.leadership !== undefined) this.#leadershipChanged(out.leadership);
    for (const { waiter, outcome } of out.outcomes) waiter(outcome);
    for (const { output, channel } of told) {
      if (channel !== undefined && this.channels.get(output.session) === channel) {
        this.#tell(channel, output);
      }
    }
    for (const { waiter, applied } of out.reads) waiter(applied);
    for (const id of out.finished) for (const listener of this.#finishedListeners) listener(id);
    // Last what can wait.
    for (const load of out.contentLoads) this.#loadContent(load);
    for (const read of out.logReads) this.#readLog(read);
    if (out.flush !== undefined) this.#flush(out.flush);
    if (out.syncLog) this.#syncLog();
    for (const { level, text } of out.notes) this.#options.logger[level]({}, text);
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
  }

  // ---- disk ----

  /** What ends in an input, or with a fault that ends the process. */
  #await<T>(what: string, work: Promise<T>, done: (result: T) => void): void {
    const ended = work
      .then(done, (error) => this.fail(what, error))
      .finally(() => this.#diskWork.delete(ended));
    this.#diskWork.add(ended);
  }

  #persist(batches: readonly PersistBatch[]): void {
    this.#persistQueue.push(...batches);
    if (this.#persisting) return;
    this.#persisting = true;
    this.#await("the log could not be written", this.#persistAll(), () => {
      this.#persisting = false;
    });
  }

  /** While one write runs others queue up; the next one takes them all. */
  async #persistAll(): Promise<void> {
    while (this.#persistQueue.length > 0) {
      const batches = this.#persistQueue;
      this.#persistQueue = [];
      const synced = await this.#write(batches);
      this.#written(batches, synced);
    }
  }

  /** Returns whether entries are fsynced, rather than only handed over. */
  async #write(batches: readonly PersistBatch[]): Promise<boolean> {
    const { log, identity, walSyncIntervalMs } = this.#options;
    const hardState = batches.findLast((batch) => batch.hardState !== undefined)?.hardState;
    if (hardState !== undefined) await identity.save({ hardState });
    let sync = walSyncIntervalMs === 0;
    for (const group of groupByTruncation(batches)) {
      sync ||= group.entries.some((entry) => entry.kind === "membership");
      await log.append(group, sync);
    }
    return sync;
  }

  #written(batches: readonly PersistBatch[], synced: boolean): void {
    const seq = (batches.at(-1) as PersistBatch).seq;
    this.#lastWrittenSeq = seq;
    this.input((replica) => replica.persisted(seq, synced));
    for (const batch of batches) {
      for (const message of batch.messages) {
        this.#options.bus.send(this.replica.envelope(message));
      }
    }
    if (!synced) this.#armSync();
  }

  /** In interval mode: an fsync follows, at most the interval later. */
  #armSync(): void {
    if (this.#closed) return;
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      this.#syncLog();
    }, this.#options.walSyncIntervalMs);
  }

  #syncLog(): void {
    // Without an interval every write is an fsync; and what came during this one has its own timer.
    if (this.#options.walSyncIntervalMs === 0 || this.#syncing) return;
    this.#syncing = true;
    const seq = this.#lastWrittenSeq;
    this.#await("the log could not be fsynced", this.#options.log.sync(), () => {
      this.#syncing = false;
      this.input((replica) => replica.persisted(seq, true));
      if (seq < this.#lastWrittenSeq) this.#armSync();
    });
  }

  #flush({ flush, mark }: NonNullable<NodeOutputs["flush"]>): void {
    const written = this.#options.state.flush(flush, mark);
    this.#await("the state could not be written", written, () => {
      this.input((replica) => replica.flushed());
    });
  }

  #loadContent(load: ContentLoad): void {
    this.#await("a payload could not be read", this.#options.state.load(load.key), (content) => {
      this.input((replica) => replica.contentLoaded(load, content));
    });
  }

  #readLog({ to, from, maxBytes }: LogRead): void {
    const read = this.#options.log.read(from, maxBytes);
    this.#await("the log could not be read", read, ({ prev, entries }) => {
      this.input((replica) => replica.logRead(to, prev, entries));
    });
  }
}

/** Joins consecutive batches into as few atomic log changes as truncations allow. */
function groupByTruncation(batches: readonly PersistBatch[]) {
  const groups: { truncateFrom: number | undefined; entries: PersistBatch["entries"][number][] }[] =
    [];
  for (const { truncateFrom, entries } of batches) {
    if (entries.length === 0 && truncateFrom === undefined) continue;
    const open = groups.at(-1);
    if (open === undefined || truncateFrom !== undefined) {
      groups.push({ truncateFrom, entries: [...entries] });
    } else {
      for (const entry of entries) open.entries.push(entry);
    }
  }
  return groups;
}
