/**
 * A broker of one node without disk or peers: the real queue machine, each command applied in a
 * turn of its own. Time stands still unless moved, and what the world could answer instead can be
 * set.
 */
import { TqError } from "task-queue-protocol";
import type {
  Broker,
  Consistency,
  ListPage,
  NodeStatus,
  Outcome,
  TaskFilter,
} from "../../src/operations/broker.ts";
import { listLive } from "../../src/operations/list-live.ts";
import { FINISHED_STATES, matchesFilter } from "../../src/operations/task-filter.ts";
import {
  type Command,
  childrenRange,
  decodeErrorGroup,
  type ErrorGroup,
  errorGroupRange,
  idOfFinishedKey,
  QueueMachine,
  type QueueView,
  type Reply,
  type SessionView,
  type StateCounts,
  type TaskId,
  type TaskView,
} from "../../src/queue/index.ts";

export const START = Date.UTC(2026, 2, 31, 8, 0, 0);

type Waiter = (view: TaskView | undefined) => void;

export class FakeBroker implements Broker {
  readonly nodeId = "n1";
  readonly machine = new QueueMachine({ get: () => undefined });
  /** Every command that was asked for, refused or not. */
  readonly commands: Command[] = [];
  /** Every barrier that was asked for. */
  readonly barriers: { consistency: Consistency; minIndex: number | undefined }[] = [];
  now = START;
  /** Answers instead of the machine; undefined = the machine does. */
  outcome: ((command: Command) => Outcome | undefined) | undefined;
  hasLeader = true;
  /** This node does not learn what was applied elsewhere. */
  behind = false;
  state: Partial<NodeStatus> = {};
  /** Tasks that one `listLive` or `listFinished` looks at. */
  work = 1000;
  readonly #ids: TaskId[] = [];
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #appliedListeners = new Set<() => void>();

  get applied(): number {
    return this.status().applied;
  }

  intakeClosed = false;

  get durability(): NodeStatus["durability"] {
    return this.status().durability;
  }

  status(): NodeStatus {
    return {
      nodeId: this.nodeId,
      clusterId: "c0ffee",
      clusterVersion: 1,
      role: "leader",
      term: 3,
      leader: { id: "n1", address: "127.0.0.1:6379" },
      applied: this.machine.applied,
      commit: this.machine.applied,
      effectHash: this.machine.effectHash,
      ready: true,
      reason: "",
      draining: false,
      durability: "single-fsync",
      members: [
        {
          id: "n1",
          address: "127.0.0.1:6379",
          role: "leader",
          matchIndex: this.machine.applied,
          lag: 0,
          healthy: true,
          version: "0.1.0",
          supports: { min: 1, max: 2 },
        },
      ],
      ...this.state,
    };
  }

  /** The version of the cluster, from 1 up to this one. */
  raise(to: number): void {
    for (let version = this.machine.version + 1; version <= to; version++) {
      this.machine.skip(this.machine.applied + 1);
      this.machine.raise(version);
    }
  }

  request(command: Command, done: (outcome: Outcome) => void): void {
    this.commands.push(command);
    setImmediate(() => {
      const other = this.outcome?.(command);
      if (other !== undefined) return done(other);
      done({ kind: "applied", reply: this.apply(command), index: this.machine.applied });
    });
  }

  /** Applies a command at once, as from another door. */
  apply(command: Command): Reply {
    const batch = { at: this.now, commands: [command] };
    const reply = this.machine.apply(this.machine.applied + 1, batch)[0]!;
    if (command.type === "submit" && reply.code === "ok" && !reply.duplicate) {
      this.#ids.push(command.id);
    }
    for (const event of this.machine.events.splice(0)) {
      if (event.type === "finished") this.#wake(event.id);
    }
    for (const listener of this.#appliedListeners) listener();
    return reply;
  }

  async readBarrier(consistency: Consistency, minIndex?: number): Promise<number> {
    this.barriers.push({ consistency, minIndex });
    const waitsForEver = this.behind && minIndex !== undefined;
    if ((consistency === "linearizable" && !this.hasLeader) || waitsForEver) {
      throw new TqError("no_leader", "no leader answered in time");
    }
    return this.machine.applied;
  }

  hasCompleted(id: TaskId): boolean {
    return this.machine.graphNode(id)?.state === "completed";
  }

  task(id: TaskId): TaskView | undefined {
    return this.machine.task(id);
  }

  listLive(filter: TaskFilter, after: TaskId | undefined, limit: number): ListPage {
    return listLive(this.machine, filter, after, limit, this.work);
  }

  async errorGroups(after: string | undefined, limit: number): Promise<readonly ErrorGroup[]> {
    const rows = this.machine.historyOverlay(errorGroupRange(after));
    return rows
      .flatMap(({ value }) => (value === undefined ? [] : [decodeErrorGroup(value)]))
      .slice(0, limit);
  }

  async listFinished(
    filter: TaskFilter,
    before: TaskId | undefined,
    limit: number,
  ): Promise<ListPage> {
    const newestFirst = [...this.#ids].sort((a, b) => Buffer.compare(b, a));
    const rest = newestFirst.filter((id) => before === undefined || Buffer.compare(id, before) < 0);
    const looked = rest.slice(0, this.work);
    const matching = looked
      .map((id) => this.machine.task(id))
      .filter((view) => view !== undefined)
      .filter((view) => FINISHED_STATES.has(view.state) && matchesFilter(filter, view));
    if (matching.length > limit) {
      return { tasks: matching.slice(0, limit), next: matching[limit - 1]!.id };
    }
    return { tasks: matching, next: rest.length > looked.length ? looked.at(-1) : undefined };
  }

  queues(): readonly QueueView[] {
    return this.machine.queues();
  }

  queue(name: string): QueueView | undefined {
    return this.machine.queue(name);
  }

  depthLimit(name: string): number {
    return this.machine.depthLimit(name);
  }

  jobs() {
    return this.machine.jobs();
  }

  job(id: TaskId) {
    return this.machine.job(id);
  }

  accessKeys() {
    return this.machine.accessKeys();
  }

  accessKey(id: string) {
    return this.machine.accessKey(id);
  }

  sessions(): readonly SessionView[] {
    return this.machine.sessions();
  }

  counts(): StateCounts {
    return this.machine.counts();
  }

  totals() {
    return this.machine.totals();
  }

  clock(): number {
    return this.now;
  }

  waitFinished(id: TaskId, timeoutMs: number, signal: AbortSignal): Promise<TaskView | undefined> {
    const key = Buffer.from(id).toString("hex");
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), timeoutMs);
      const waiter: Waiter = (view) => {
        clearTimeout(timer);
        resolve(view);
      };
      signal.addEventListener("abort", () => waiter(undefined));
      this.#waiters.set(key, [...(this.#waiters.get(key) ?? []), waiter]);
    });
  }

  /** How many `waitFinished` are under way. */
  get waiting(): number {
    return [...this.#waiters.values()].flat().length;
  }

  feed() {
    return this.machine.feed;
  }

  /** How many listen for what is applied. */
  get listening(): number {
    return this.#appliedListeners.size;
  }

  onApplied(listener: () => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  async logLines(id: TaskId, after: number, limit: number) {
    return this.machine.logLines(id, after, limit);
  }

  async graphNode(id: TaskId) {
    return this.machine.graphNode(id);
  }

  async children(id: TaskId, limit: number): Promise<readonly TaskId[]> {
    const rows = this.machine.historyOverlay(childrenRange(id));
    const there = rows.filter(({ value }) => value !== undefined);
    return there.slice(0, limit).map(({ key }) => idOfFinishedKey(key));
  }

  async backupPiece(id: string, offset: number) {
    const last = offset > 0;
    const bytes = new TextEncoder().encode(last ? "the rest" : id);
    return { offset, bytes, crc32: 7, sha256: last ? "5ea1" : undefined };
  }

  async compactState() {
    return { beforeBytes: 9, afterBytes: 4 };
  }

  async storageStats(): Promise<Readonly<Record<string, number>>> {
    return { level_0_files: 1 };
  }

  /** A worker named `w1` takes the next task of `type`; its lease's token. */
  lease(type: string): number {
    this.apply({
      type: "register",
      session: "w1",
      secret: new Uint8Array(16),
      name: "worker one",
      queues: [],
      types: [type],
      labels: ["zone=a"],
      concurrency: 4,
      version: "0.1.0",
      leaseMs: 30_000,
    });
    const reply = this.apply({ type: "lease", session: "w1", count: 1 });
    if (reply.code !== "leased" || reply.granted !== 1) throw new Error("nothing to lease");
    return reply.tokens[0]!;
  }

  /** Bytes are taken as they are. */
  complete(id: TaskId, token: number, result: unknown): void {
    const bytes = Buffer.isBuffer(result) ? result : Buffer.from(JSON.stringify(result));
    this.#must({ type: "complete", id, token, result: bytes, resultType: "json" });
  }

  fail(id: TaskId, token: number, message: string): void {
    const error = { message, stack: "" };
    this.#must({ type: "fail", id, token, error, retryAfterMs: undefined, retryable: false });
  }

  /** What was asked about members and leadership, and what it answers with. */
  readonly changes: unknown[][] = [];
  change: (name: string) => Promise<void> = async () => {};

  addMember(peer: string): Promise<void> {
    return this.#change("addMember", peer);
  }

  promoteMember(id: string, force: boolean): Promise<void> {
    return this.#change("promoteMember", id, force);
  }

  removeMember(id: string, force: boolean): Promise<void> {
    return this.#change("removeMember", id, force);
  }

  transferLeadership(to: string | undefined): Promise<void> {
    return this.#change("transferLeadership", to);
  }

  raiseVersion(to: number | undefined): Promise<void> {
    return this.#change("raiseVersion", to);
  }

  #change(name: string, ...given: unknown[]): Promise<void> {
    this.changes.push([name, ...given]);
    return this.change(name);
  }

  attach(): never {
    throw new Error("no sessions here");
  }

  detach(): never {
    throw new Error("no sessions here");
  }

  setWindow(): never {
    throw new Error("no sessions here");
  }

  sessionRequest(): never {
    throw new Error("no sessions here");
  }

  beat(): never {
    throw new Error("no sessions here");
  }

  #must(command: Command): void {
    const reply = this.apply(command);
    if (reply.code !== "ok") throw new Error(`${command.type}: ${JSON.stringify(reply)}`);
  }

  #wake(id: TaskId): void {
    const key = Buffer.from(id).toString("hex");
    const waiters = this.#waiters.get(key) ?? [];
    this.#waiters.delete(key);
    for (const waiter of waiters) waiter(this.machine.task(id));
  }
}
