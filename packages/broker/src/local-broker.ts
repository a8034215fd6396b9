/**
 * The `Broker` that the edges of this process use: requests become inputs of the replica, reads
 * come from its queue machine and, for history, from the state store.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { TqError } from "task-queue-protocol";
import { BackupDesk } from "./backup/desk.ts";
import { Backups } from "./backup/take.ts";
import { HistoryReader } from "./history.ts";
import { type Greet, MemberRequests } from "./member-requests.ts";
import { durabilityOf, nodeStatus, type StatusFacts } from "./node-status.ts";
import type {
  Attached,
  BackupPiece,
  Broker,
  Compacted,
  Consistency,
  ListPage,
  NodeStatus,
  Outcome,
  SessionChannel,
  TaskFilter,
} from "./operations/broker.ts";
import { listLive } from "./operations/list-live.ts";
import {
  type AccessKey,
  type Command,
  type ErrorGroup,
  type FeedReader,
  type GraphNode,
  type JobView,
  type LogPage,
  type QueueView,
  type SessionView,
  type TaskId,
  type TaskView,
  type Token,
  versionNeededBy,
} from "./queue/index.ts";
import { SUPPORTED } from "./replica/index.ts";
import type { NodeReplica, OutcomeWaiter, Runtime } from "./runtime.ts";

/**
 * Live tasks whose contents are read in one piece, some ten milliseconds' worth; the page ends
 * early and says where to go on.
 */
const LIST_WORK_MAX = 1_000;

/** A leader that cannot be reached, or an index that was asked for and is not here yet. */
const NOT_CONFIRMED = "this node could not make sure in time that it is up to date; try again";

export class LocalBroker implements Broker {
  readonly nodeId: string;
  readonly backups: Backups;
  readonly #desk: BackupDesk;
  readonly #runtime: Runtime;
  readonly #facts: StatusFacts;
  readonly #history: HistoryReader;
  readonly #members: MemberRequests;
  #compacting: Promise<Compacted> | undefined;
  /** Who waits for the end of which task, by its id as text. */
  readonly #watchers = new Map<string, Set<() => void>>();

  constructor(runtime: Runtime, facts: StatusFacts, greet: Greet) {
    this.nodeId = runtime.replica.raft.id;
    this.#runtime = runtime;
    this.#facts = facts;
    this.#history = new HistoryReader(runtime);
    this.#members = new MemberRequests(runtime, greet);
    this.backups = new Backups({
      nodeId: this.nodeId,
      version: facts.version,
      take: (reader, minIndex, signal) => runtime.takeSnapshot(reader, minIndex, signal),
      wallMs: Date.now,
    });
    this.#desk = new BackupDesk({
      open: (minIndex, signal) => this.backups.open(minIndex, signal),
      now: () => performance.now(),
    });
    runtime.onFinished((id) => this.#finished(id));
    runtime.onInstalled(() => this.#lookAgain());
  }

  status(): NodeStatus {
    return nodeStatus(this.#runtime, this.#facts);
  }

  get applied(): number {
    return this.#queue.applied;
  }

  get intakeClosed(): boolean {
    return this.#runtime.replica.intakeClosed;
  }

  get durability(): NodeStatus["durability"] {
    return durabilityOf(this.#runtime, this.#facts);
  }

  request(command: Command, done: (outcome: Outcome) => void): void {
    this.#request(command, done, (replica) => replica.request(command, done));
  }

  readBarrier(consistency: Consistency, minIndex = 0): Promise<number> {
    // What is there already needs no turn, as after nearly every write of a leader's callers.
    const isHere = consistency === "stale" && minIndex <= this.applied;
    if (isHere && !this.#runtime.closed) return Promise.resolve(this.applied);
    return new Promise((resolve, reject) => {
      const settle = (applied: number | undefined): void => {
        if (applied !== undefined) resolve(applied);
        else reject(new TqError("no_leader", NOT_CONFIRMED));
      };
      const linearizable = consistency === "linearizable";
      this.#runtime.input((replica) => replica.read(settle, linearizable, minIndex));
    });
  }

  task(id: TaskId): TaskView | undefined {
    return this.#look(() => this.#queue.task(id));
  }

  hasCompleted(id: TaskId): boolean {
    return this.#look(() => this.#queue.graphNode(id)?.state === "completed");
  }

  /** A page of a rare tag takes many looks: between them the event loop has its turn. */
  async listLive(filter: TaskFilter, after: TaskId | undefined, limit: number): Promise<ListPage> {
    await nextTurn();
    return this.#read(async () => listLive(this.#queue, filter, after, limit, LIST_WORK_MAX));
  }

  listFinished(filter: TaskFilter, before: TaskId | undefined, limit: number): Promise<ListPage> {
    return this.#read(() => this.#history.list(filter, before, limit));
  }

  errorGroups(after: string | undefined, limit: number): Promise<readonly ErrorGroup[]> {
    return this.#read(() => this.#history.errorGroups(after, limit));
  }

  queues(): readonly QueueView[] {
    return this.#queue.queues();
  }

  queue(name: string): QueueView | undefined {
    return this.#queue.queue(name);
  }

  depthLimit(name: string): number {
    return this.#queue.depthLimit(name);
  }

  jobs(): readonly JobView[] {
    return this.#queue.jobs();
  }

  job(id: TaskId): JobView | undefined {
    return this.#queue.job(id);
  }

  accessKeys(): readonly AccessKey[] {
    return this.#queue.accessKeys();
  }

  accessKey(id: string): AccessKey | undefined {
    return this.#queue.accessKey(id);
  }

  sessions(): readonly SessionView[] {
    return this.#queue.sessions();
  }

  counts() {
    return this.#queue.counts();
  }

  totals() {
    return this.#queue.totals();
  }

  /** Never behind what was applied: what has ended there would go on here for a while. */
  clock(): number {
    return Math.max(this.#runtime.replica.clock.read(), this.#queue.clock);
  }

  async waitFinished(
    id: TaskId,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<TaskView | undefined> {
    const now = this.task(id);
    if (now === undefined || now.finishedAt > 0) return now;
    if (signal.aborted) return undefined;
    return new Promise((resolve) => {
      const key = keyOf(id);
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", settle);
        this.#unwatch(key, settle);
        const then = this.#queue.task(id);
        resolve(then !== undefined && then.finishedAt > 0 ? then : undefined);
      };
      const timer = setTimeout(settle, timeoutMs);
      signal.addEventListener("abort", settle);
      const watchers = this.#watchers.get(key) ?? new Set();
      watchers.add(settle);
      this.#watchers.set(key, watchers);
    });
  }

  feed(): FeedReader {
    return this.#queue.feed;
  }

  onApplied(listener: () => void): () => void {
    return this.#runtime.onApplied(listener);
  }

  logLines(id: TaskId, after: number, limit: number): Promise<LogPage | undefined> {
    return this.#read(async () => this.#queue.logLines(id, after, limit));
  }

  /** A content may be large, and a graph asks for many: between them others have their turn. */
  async graphNode(id: TaskId): Promise<GraphNode | undefined> {
    await nextTurn();
    return this.#read(async () => this.#queue.graphNode(id));
  }

  children(id: TaskId, limit: number): Promise<readonly TaskId[]> {
    return this.#read(() => this.#history.children(id, limit));
  }

  storageStats(): Promise<Readonly<Record<string, number>>> {
    return this.#runtime.state.stats();
  }

  compactState(): Promise<Compacted> {
    this.#compacting ??= this.#runtime.state.compact().finally(() => {
      this.#compacting = undefined;
    });
    return this.#compacting;
  }

  backupPiece(id: string, offset: number, minIndex: number): Promise<BackupPiece> {
    return this.#desk.read(id, offset, minIndex);
  }

  // ---- members and leadership ----

  addMember(peer: string): Promise<void> {
    return this.#members.add(peer);
  }

  promoteMember(id: string, force: boolean): Promise<void> {
    return this.#members.promote(id, force);
  }

  removeMember(id: string, force: boolean): Promise<void> {
    return this.#members.remove(id, force);
  }

  transferLeadership(to: string | undefined): Promise<void> {
    return this.#members.transferLeadership(to);
  }

  raiseVersion(to: number | undefined): Promise<void> {
    return this.#members.raiseVersion(to);
  }

  // ---- worker sessions ----

  attach(session: string, held: readonly Token[], channel: SessionChannel): Attached | undefined {
    let attached: Attached | undefined;
    this.#runtime.input((replica) => {
      attached = replica.attach(session, held);
    });
    if (attached !== undefined) this.#runtime.channels.set(session, channel);
    return attached;
  }

  detach(session: string, channel: SessionChannel): void {
    if (this.#runtime.channels.get(session) !== channel) return;
    this.#runtime.channels.delete(session);
    this.#runtime.input((replica) => replica.detach(session));
  }

  setWindow(session: string, window: number): void {
    this.#runtime.input((replica) => replica.setWindow(session, window));
  }

  sessionRequest(session: string, command: Command, done: (outcome: Outcome) => void): void {
    this.#request(command, done, (replica) => replica.request(command, done, session));
  }

  beat(session: string): void {
    this.#runtime.input((replica) => replica.beat(session));
  }

  /**
   * What needs a later version than this node knows of is not refused before it has heard of all
   * that was committed: the cluster may have been raised a moment ago, elsewhere.
   */
  #request(command: Command, done: OutcomeWaiter, act: (replica: NodeReplica) => void): void {
    const { version } = this.#queue;
    if (version >= SUPPORTED.max || versionNeededBy(command) <= version) {
      this.#runtime.input(act);
      return;
    }
    const heard = (applied: number | undefined): void => {
      const isBeingFounded = this.#queue.version < this.#runtime.replica.clusterVersion;
      if (applied !== undefined && !isBeingFounded) this.#runtime.input(act);
      else done({ kind: "refused", code: "no_leader", message: NOT_CONFIRMED });
    };
    this.#runtime.input((replica) => replica.read(heard, true, 0));
  }

  /** What the disk cannot read ends the process, even if only somebody's question wanted it. */
  async #read<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /** The same for what is not waited for. */
  #look<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): unknown {
    // A question that outlasts a clean stop finds the store closed: that is no fault.
    if (!this.#runtime.closed) this.#runtime.fail("the state could not be read", error);
    return error;
  }

  get #queue() {
    return this.#runtime.replica.queue;
  }

  #finished(id: TaskId): void {
    if (this.#watchers.size === 0) return;
    for (const settle of [...(this.#watchers.get(keyOf(id)) ?? [])]) settle();
  }

  /** What finished within a snapshot was never applied here, so that nobody was told. */
  #lookAgain(): void {
    for (const [key, watchers] of [...this.#watchers]) {
      const task = this.#queue.task(Buffer.from(key, "latin1"));
      if (task !== undefined && task.finishedAt === 0) continue;
      for (const settle of [...watchers]) settle();
    }
  }

  #unwatch(key: string, settle: () => void): void {
    const watchers = this.#watchers.get(key);
    watchers?.delete(settle);
    if (watchers?.size === 0) this.#watchers.delete(key);
  }
}

function keyOf(id: TaskId): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}
